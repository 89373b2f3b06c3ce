"""Write, read and change rows of SQLite with SQLAlchemy's ORM."""

import pyperf
from sqlalchemy import ForeignKey, create_engine, delete, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload


class Base(DeclarativeBase):
    """The base of the two tables."""


class Author(Base):
    """An author, with books."""

    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list["Book"]] = relationship(back_populates="author")


class Book(Base):
    """A book, with its author."""

    __tablename__ = "book"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    pages: Mapped[int]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


def main():
    """Work in a session on a database in memory."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)

    def work():
        with Session(engine) as session:
            session.execute(delete(Book))
            session.execute(delete(Author))
            authors = [Author(name=f"Author {number}") for number in range(10)]
            session.add_all(authors)
            session.add_all(Book(title=f"Book {n}", pages=n, author=authors[n % 10]) for n in range(200))
            session.commit()
            for book in session.scalars(select(Book).where(Book.pages >= 150).join(Book.author)):
                book.title += f" by {book.author.name}"
            session.flush()
            loaded = session.scalars(select(Author).options(selectinload(Author.books)))
            titles = [book.title for author in loaded for book in author.books]
            assert len(titles) == 200 and session.scalar(select(func.sum(Book.pages))) == 19900
            session.rollback()

    pyperf.Runner().bench_func("sqlalchemy_orm", work)


if __name__ == "__main__":
    main()

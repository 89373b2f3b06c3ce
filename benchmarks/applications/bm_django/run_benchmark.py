"""Django: render a page of its template language, and work with rows of SQLite with its ORM."""

import django
import pyperf
from django.conf import settings

PAGE = (
    "{% load humanize %}<html><body>{% for user in users %}<div class='{% cycle 'odd' 'even' %}'>"
    "{% if user.active %}<b>{{ user.name|title }}</b>{% else %}{{ user.name }}{% endif %}"
    "{{ user.joined|date:'Y-m-d' }} {{ user.points|intcomma }} {{ user.about|truncatewords:5|linebreaks }}"
    "{% with tags=user.tags|join:', ' %}{{ tags|default:'none' }}{% endwith %}</div>{% empty %}nobody{% endfor %}"
    "{{ users|length }} user{{ users|length|pluralize }}</body></html>"
)


def make_page():
    """Return a function that renders a page with a hundred users."""
    import datetime

    from django.template import engines

    template = engines["django"].from_string(PAGE)
    day = datetime.date(2026, 1, 2)
    users = [
        {"name": f"user <{n}>", "active": n % 3, "joined": day, "points": n * 12345, "tags": ["a", str(n)],
         "about": "some words about the user\n\nand a second paragraph & more"}
        for n in range(100)
    ]  # fmt: skip

    def work():
        return template.render({"users": users})

    assert "100 users" in work()
    return work


def make_orm():
    """Return a function that writes, reads and changes rows."""
    from django.db import connection, models

    class Author(models.Model):
        name = models.CharField(max_length=50)

        class Meta:
            app_label = "bench"

    class Book(models.Model):
        title = models.CharField(max_length=100)
        pages = models.IntegerField(db_index=True)
        author = models.ForeignKey(Author, models.CASCADE, related_name="books")

        class Meta:
            app_label = "bench"

    with connection.schema_editor() as editor:
        editor.create_model(Author)
        editor.create_model(Book)

    def work():
        Book.objects.all().delete()
        Author.objects.all().delete()
        authors = [Author.objects.create(name=f"Author {number}") for number in range(10)]
        Book.objects.bulk_create(
            Book(title=f"Book {number}", pages=number, author=authors[number % 10]) for number in range(200)
        )
        for book in Book.objects.filter(pages__gte=150).select_related("author"):
            book.title += f" by {book.author.name}"
            book.save()
        titles = [book.title for author in Author.objects.prefetch_related("books") for book in author.books.all()]
        total = Book.objects.filter(author__name__startswith="Author").aggregate(models.Sum("pages"))
        assert len(titles) == 200 and total["pages__sum"] == 19900

    work()
    return work


def main():
    """Run the benchmark that the command line names."""
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["django.contrib.humanize"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        USE_TZ=True,
    )
    django.setup()
    runner = pyperf.Runner()
    runner.argparser.add_argument("what", choices=("orm", "page"))
    what = runner.parse_args().what
    runner.bench_func(f"django_{what}", make_orm() if what == "orm" else make_page())


if __name__ == "__main__":
    main()

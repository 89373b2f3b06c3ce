"""Render a page with Jinja2: inheritance, macros, loops, filters and escaping."""

import jinja2
import pyperf

TEMPLATES = {
    "base.html": "<html><head><title>{% block title %}{% endblock %}</title></head>"
    "<body>{% for item in menu %}<a href='{{ item.url }}'{% if item.active %} class='active'{% endif %}>"
    "{{ item.label }}</a>{% endfor %}{% block content %}{% endblock %}</body></html>",
    "macros.html": "{% macro row(user, odd) %}<tr class='{{ 'odd' if odd else 'even' }}'><td>{{ user.name }}</td>"
    "<td>{{ user.email | lower | urlize }}</td><td>{{ '%.2f' | format(user.balance) }}</td>"
    "<td>{{ user.tags | join(', ') | truncate(20) }}</td></tr>{% endmacro %}",
    "page.html": "{% extends 'base.html' %}{% from 'macros.html' import row %}"
    "{% block title %}{{ title | title }} &mdash; {{ users | length }}{% endblock %}{% block content %}"
    "<table>{% for user in users if user.balance > 1 %}{{ row(user, loop.index is odd) }}{% endfor %}</table>"
    "{% set ns = namespace(total=0) %}{% for user in users %}{% set ns.total = ns.total + user.balance %}{% endfor %}"
    "<p>{{ ns.total | round(2) }}</p>{% endblock %}",
}


def main():
    """Render a page with two hundred rows."""
    environment = jinja2.Environment(loader=jinja2.DictLoader(TEMPLATES), autoescape=True)
    users = [
        {"name": f"User <{n}>", "email": f"USER{n}@Example.ORG", "balance": n * 1.7, "tags": ["a", "b&c", str(n)]}
        for n in range(200)
    ]
    menu = [{"url": f"/page/{n}?a=1&b=2", "label": f"Page {n}", "active": n == 3} for n in range(12)]

    def work():
        return environment.get_template("page.html").render(users=users, menu=menu, title="all users")

    assert "User &lt;7&gt;" in work()
    pyperf.Runner().bench_func("jinja2", work)


if __name__ == "__main__":
    main()

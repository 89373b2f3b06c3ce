"""An HTML page and JSON, served by Flask."""

import os

from flask import Flask, jsonify, render_template_string, request

app = Flask(__name__)
ITEMS = [{"id": number, "name": f"item {number}", "price": number * 1.5} for number in range(20)]


@app.get("/pid")
def pid():
    """Return the ID of the process that answers."""
    return str(os.getpid())


@app.get("/items/<int:low>")
def items(low):
    """Return the items with numbers from ``low`` on, as HTML or JSON."""
    found = [item for item in ITEMS if item["id"] >= low]
    if request.args.get("format") == "json":
        return jsonify(items=found, count=len(found))
    return render_template_string(
        "{% for item in items %}<p>{{ item.name }}: {{ item.price }}</p>{% endfor %}", items=found
    )

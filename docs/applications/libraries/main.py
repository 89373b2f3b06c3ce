"""Read YAML with the parser in C; the example of docs/applications."""

import yaml

print(yaml.load("greeting: hello", Loader=yaml.CSafeLoader)["greeting"])

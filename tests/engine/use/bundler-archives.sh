# Applications in one file that the image's interpreter runs: zipapp of the standard library, and shiv.
pip install --quiet shiv
mkdir app
cat >app/__main__.py <<'P'
import sys
folder = __file__.rpartition("/")[0]
print("from", folder == sys.argv[0], __loader__.get_data(f"{folder}/data").decode())
P
echo -n data >app/data
python -m zipapp --compress --python="/usr/bin/env python3" app
[ "$("$PWD/app.pyz")" = "from True data" ]
shiv --quiet --compressed --output-file=shiv.pyz --console-script=chardetect chardet
./shiv.pyz --version

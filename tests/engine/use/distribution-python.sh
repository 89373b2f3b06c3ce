# The distribution's Python and programs written in it run next to the image's own, and neither affects the other.
packages="python3-venv python3-apt python3-yaml libpython3-dev supervisor"
apt-get update --quiet=2
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends $packages >log 2>&1 ||
    { grep --extended-regexp "rror|^E:" log; exit 1; }
own=$(command -v python3)
[ "$own" = /usr/local/bin/python3 ]
$own -c 'import sys; assert sys.prefix == "/usr/local"; assert not [path for path in sys.path if "dist-packages" in path]'
/usr/bin/python3 -c '
import apt, sys, yaml
assert sys.prefix == "/usr"
assert apt.Cache()["supervisor"].is_installed
assert not [path for path in sys.path if "local/lib/python%d.%d/site-packages" % sys.version_info[:2] in path], sys.path'
supervisord --version
/usr/bin/python3 -m venv distribution
distribution/bin/python -c 'import sys; assert sys.base_prefix == "/usr"'
$own -m venv image
image/bin/python -c 'import sys; assert sys.base_prefix == "/usr/local"'
# Headers and libraries of both: the image's are found first.
for library in python3 python3-embed; do
    [ "$(pkg-config --variable=prefix $library)" = /usr/local ]
done
[ "$(python3-config --prefix)" = /usr/local ]

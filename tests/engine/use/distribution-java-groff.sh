# Packages whose installation or use needs what slim images keep of /usr/share: folders of man pages, groff's macros.
apt-get update --quiet=2
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends default-jre-headless groff \
    >log 2>&1 || { grep --extended-regexp "rror|^E:" log; exit 1; }
java -version
printf '.TH A 1\n.SH NAME\nhello\n' | groff -man -T ascii | grep --quiet hello

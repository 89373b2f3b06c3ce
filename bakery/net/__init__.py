"""Downloads, TLS certificates, and the network settings of the user that build steps need."""

from bakery.net.build_secrets import Network, archive_url, secret_bundle, users_network, users_proxy
from bakery.net.certificates import context_for, trust_bundle, users_bundle
from bakery.net.docker_config import docker_config
from bakery.net.http import read_location

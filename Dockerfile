# Both images of Penstock: `docker build --target operator .` and `docker build --target gateway .`
#
# BASE_IMAGE is any image with Python 3.11 as `python3`, its `venv` module and CA certificates. Wheels in a folder `wheels/` beside this
# file are used instead of the network. What is installed, and its hashes, come from requirements.lock.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/tools && python3 -m venv --without-pip /opt/penstock
WORKDIR /source
# the bracket is a pattern: without such a folder the build goes on, with the network
COPY requirements.lock wheel[s]/* /source/wheels/
COPY pyproject.toml /source/
# `installs EXTRA…`: exactly what the project needs with all extras but those, as locked, hashes checked
RUN mv wheels/requirements.lock . \
 && { ls wheels/*.whl >/dev/null 2>&1 && printf '[global]\nno-index = true\nfind-links = /source/wheels\n' > /etc/pip.conf || true; } \
 && sed -n 's/^\([a-z0-9.-]*==[^ ]*\).*/\1/p' requirements.lock > pins.txt \
 && printf '%s\n' '#!/bin/sh -e' \
    'python3 -c "import sys, tomllib; project = tomllib.load(open(\"pyproject.toml\", \"rb\"))[\"project\"]; print(*project[\"dependencies\"], *[line for extra, lines in project[\"optional-dependencies\"].items() if extra not in sys.argv for line in lines], sep=\"\n\")" "$@" > roots.txt' \
    '/opt/tools/bin/pip install --quiet --dry-run --ignore-installed --constraint pins.txt --report report.json -r roots.txt' \
    'python3 -c "import json; print(*[each[\"metadata\"][\"name\"].lower().replace(\"_\", \"-\") for each in json.load(open(\"report.json\"))[\"install\"]], sep=\"\n\")" > names.txt' \
    'awk "NR==FNR {wanted[\$1]; next} /^[a-z]/ {split(\$1, part, \"==\"); keep = part[1] in wanted} keep" names.txt requirements.lock > exact.lock' \
    '/opt/tools/bin/pip --python /opt/penstock/bin/python install --quiet --no-compile --no-deps --require-hashes -r exact.lock' \
    'find /opt/penstock/lib -depth -type d \( -name tests -o -name test \) -exec rm -rf {} +' \
    'find /opt/penstock/lib \( -name "*.pyi" -o -name "*.pyx" -o -name "*.pxd" -o -name "*.c" -o -name "*.h" \) -delete' \
    '/opt/penstock/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/penstock/lib' > /usr/local/bin/installs \
 && chmod +x /usr/local/bin/installs

FROM tools AS wheel
COPY README.md LICENSE /source/
COPY crds /source/crds
COPY gateway /source/gateway
COPY operator /source/operator
RUN PIP_CONSTRAINT=/source/pins.txt /opt/tools/bin/pip wheel --quiet --no-deps --wheel-dir /built . \
 && mkdir /installed && cd /installed \
 && /opt/tools/bin/pip install --quiet --no-compile --no-deps --no-index --prefix /installed /built/*.whl \
 && mv "$(find . -type d -name site-packages)" /installed/packages \
 && sed -i '1s|.*|#!/opt/penstock/bin/python3|' bin/* \
 && python3 -m compileall -q --invalidation-mode unchecked-hash -s /installed/packages -p /opt/penstock/lib/python3.11/site-packages packages

FROM tools AS build-operator
RUN installs dev

FROM tools AS build-gateway
RUN installs dev operator

# what changes rarely is copied first: two versions of the product share those layers
FROM ${BASE_IMAGE} AS final
# the standard library's bytecode, where the base image has none: nothing can be written at run time
RUN python3 -m compileall -q -x '/(test|tests|idlelib|tkinter|lib2to3|ensurepip|turtledemo|dist-packages|site-packages)/' \
    "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" || true
ENV PATH=/opt/penstock/bin:$PATH PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /
USER 65532:65532

FROM final AS operator
COPY --from=build-operator /opt/penstock /opt/penstock
COPY --from=wheel /installed/bin/penstock /opt/penstock/bin/
COPY --from=wheel /installed/packages /opt/penstock/lib/python3.11/site-packages/
ENTRYPOINT ["penstock"]
CMD ["operator"]

FROM final AS gateway
COPY --from=build-gateway /opt/penstock /opt/penstock
COPY --from=wheel /installed/bin /opt/penstock/bin/
COPY --from=wheel /installed/packages /opt/penstock/lib/python3.11/site-packages/
ENTRYPOINT ["penstock-gateway"]
CMD ["run"]

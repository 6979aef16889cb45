# One image per service from one file:
#   docker build --build-arg SERVICE=ws-gateway --build-arg PORT=8000 -t baleen/ws-gateway .
# Arguments: SERVICE (a folder of services/ or tools/), PORT (where its probes answer), PYTHON_IMAGE; and what only the
# labels say: VERSION, REVISION (the commit), CREATED (its time, RFC 3339).
# The same sources on the same base give the same files, with the same times: those of SOURCE_DATE_EPOCH.
ARG PYTHON_IMAGE=python:3.13-slim

FROM ${PYTHON_IMAGE} AS build
ARG SERVICE
ARG SOURCE_DATE_EPOCH=1577836800
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PYTHONHASHSEED=0

# The dependencies first: they change seldom, so their layer is kept between builds.
COPY deploy/requirements/build.lock deploy/requirements/${SERVICE}.lock requirements/
RUN python3 -m venv /opt/build && /opt/build/bin/pip install --quiet --require-hashes -r requirements/build.lock
RUN python3 -m venv --without-pip /opt/baleen \
 && /opt/build/bin/pip --python /opt/baleen/bin/python install --quiet --no-compile --require-hashes --only-binary :all: \
      -r requirements/${SERVICE}.lock \
 && /opt/baleen/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/baleen/lib

COPY libs libs
COPY services services
COPY tools tools
RUN parts="libs/contracts libs/bus libs/runtime libs/filters $(find services tools -maxdepth 1 -name "${SERVICE}")" \
 && for part in $parts; do \
      /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation -w wheels "./$part" || exit 1; done \
 && /opt/build/bin/pip --python /opt/baleen/bin/python install --quiet --no-compile --no-deps --no-index wheels/*.whl \
 && ln -s "${SERVICE}" /opt/baleen/bin/service \
 && for part in $parts; do (cd /opt/baleen/lib/python3*/site-packages && /opt/baleen/bin/python -m compileall -q \
      --invalidation-mode unchecked-hash $(ls "/src/$part/src")) || exit 1; done \
 && find /opt/baleen -exec touch --no-dereference --date "@${SOURCE_DATE_EPOCH}" {} +

FROM ${PYTHON_IMAGE}
ARG SERVICE
ARG PORT
COPY --from=build /opt/baleen /opt/baleen
ENV PATH=/opt/baleen/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PROBE=http://127.0.0.1:${PORT}/readyz
RUN install -d -o 10001 -g 10001 /data
USER 10001:10001
WORKDIR /tmp
EXPOSE ${PORT}
HEALTHCHECK --interval=3s --timeout=3s --start-period=30s --retries=5 \
  CMD ["python3", "-c", "import os, urllib.request; urllib.request.urlopen(os.environ['PROBE'], timeout=2)"]
ENTRYPOINT ["/opt/baleen/bin/service"]

# Last, so that another version of the same files costs nothing but these.
ARG PYTHON_IMAGE
ARG VERSION=dev
ARG REVISION=unknown
ARG CREATED
LABEL org.opencontainers.image.title="baleen ${SERVICE}" \
      org.opencontainers.image.description="${SERVICE} of Baleen, which shares one market data upstream with many" \
      org.opencontainers.image.vendor="Baleen" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"

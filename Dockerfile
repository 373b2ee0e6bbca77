# One image for API, worker, migrations and sandbox; the command says which. See docker-compose.yml.

FROM python:3.13.14-slim-trixie AS packages
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /build
RUN python -m venv /opt/venv && pip install --no-cache-dir uv==0.13.8
COPY pyproject.toml requirements.lock ./
# requirements.lock less the tools for development (docs/adr/0003): uv keeps the versions and digests of the list it is
# given, and the last line refuses whatever was not in it.
RUN cp requirements.lock production.lock \
    && uv pip compile pyproject.toml --quiet --universal --generate-hashes --group sandbox --python-version 3.11 \
        --no-header --no-annotate --no-emit-index-url --output-file production.lock \
    && sed 's/ *\\$//' requirements.lock > tested \
    && ! sed 's/ *\\$//' production.lock | grep -vxFf tested
RUN uv pip sync --python /opt/venv/bin/python --require-hashes --compile-bytecode --no-cache production.lock

FROM python:3.13.14-slim-trixie
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
# Volumes are mounted at these folders, and take over whose they are.
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin paysaga \
    && install -d -o paysaga -g paysaga /data /checkpoints /histories
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
RUN python -m compileall -q .
USER 10001
CMD ["python", "-m", "serve"]

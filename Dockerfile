# One image; the services of docker-compose.yml differ by command.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    EFSNAS_HOME=/var/lib/efsnas

WORKDIR /app

# The libraries change rarely, so they are a layer of their own; torch first, as in the Makefile.
COPY requirements.lock ./
RUN pip install --no-cache-dir "$(grep '^torch==' requirements.lock)" \
 && pip install --no-cache-dir -r requirements.lock

COPY pyproject.toml README.md ./
COPY nas nas
COPY backend backend
COPY worker worker
COPY frontend frontend
COPY migrations migrations
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

# A named volume takes over the owner of the folder that it is mounted on.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin efsnas \
 && install -d -o efsnas -g efsnas /var/lib/efsnas
USER efsnas
WORKDIR /var/lib/efsnas

EXPOSE 8000
CMD ["efsnas", "api"]

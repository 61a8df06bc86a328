# The three programs on Debian: docker build -t lakewright . && docker run --rm -it -v lakewright:/data lakewright up --for 60s

FROM rust:1-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends lld libssl-dev zlib1g-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --workspace --bins --locked && mkdir /out \
    && cp target/debug/lakewright target/debug/lakewright-agent target/debug/lakewright-local /out/

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* && useradd --system --create-home --home-dir /data lakewright
COPY --from=build /out/ /usr/local/bin/
COPY stacks /usr/share/lakewright/stacks
USER lakewright
WORKDIR /data
ENTRYPOINT ["lakewright", "--stack", "/usr/share/lakewright/stacks/shop.toml"]
CMD ["up"]

# The runtime as an image:    docker build -t entente:0.1.0 .
# A command of it:            docker run --init --rm entente:0.1.0 status --nats nats://hub:4222
# A role: its folder, made by `entente init`, has a Dockerfile that begins with this image (docs/containers.md).

FROM node:22-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /opt/entente
COPY --from=build /build/package.json /build/nats.conf /build/LICENSE ./
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist/src dist/src
COPY --from=build /build/dist/actors dist/actors
COPY --from=build /build/plans plans
COPY --from=build /build/examples examples
RUN mkdir /work && chown node:node /work
USER node
WORKDIR /work
ENTRYPOINT ["node", "/opt/entente/dist/src/cli/main.js"]
CMD ["--help"]

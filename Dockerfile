# The gateway as a container: built with everything, run with what it needs. Own channels, gateway.yaml and .env lie in /etc/pictor.
FROM node:24-slim AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
# The packages that export traces are optional, and the image has them; to install them so takes out all that only the build needs.
RUN npm run --silent build && npm install --save-prod --omit=dev @opentelemetry/exporter-trace-otlp-http@0.223.1 @opentelemetry/resources@2.12.1 @opentelemetry/sdk-trace-base@2.12.1

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PICTOR_DATA=/data
COPY package.json LICENSE /opt/pictor/
COPY --from=build /src/node_modules /opt/pictor/node_modules
COPY --from=build /src/channels /opt/pictor/channels
COPY --from=build /src/dist/src /opt/pictor/dist/src
COPY --from=build /src/dist/plugins /opt/pictor/dist/plugins
COPY --from=build /src/dist/assets /opt/pictor/dist/assets
RUN ln -s /opt/pictor/dist/src/main.js /usr/local/bin/pictor && install -d -o 1000 -g 1000 /data /etc/pictor
WORKDIR /etc/pictor
VOLUME /data
EXPOSE 8080
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT ?? 8080}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# The room for new objects that a supervisor gives the processes that serve.
ENTRYPOINT ["node", "--min-semi-space-size=16", "--max-semi-space-size=16", "/opt/pictor/dist/src/main.js"]
CMD ["serve", "--workers", "0"]

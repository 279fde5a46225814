import { resolve, sep } from "node:path";
import { expect } from "chai";
import { unknownVariables } from "../../src/process/unknown-variables.ts";
import { environmentDefaults, environmentNames, ownFolder, readSettings, shippedChannels } from "../../src/process/environment.ts";

describe("pictor serve: the environment", () => {
  it("may be empty", () => {
    const settings = readSettings({});
    expect(settings).to.deep.include({ port: 8080, host: "127.0.0.1", apiKeys: [], publicUrl: undefined, corsOrigins: undefined });
    expect(settings).to.deep.include({ trustProxy: false, demo: false, logLevel: "info", pictureLife: 86400 });
    // Here the folder of channels is that of the package.
    expect(settings.channels).to.deep.equal({ folders: [{ path: resolve(shippedChannels), optional: false }], given: undefined });
    expect(settings.data.endsWith(`${sep}.pictor`)).to.equal(true);
    expect(settings.pluginFolders).to.have.length(1);
  });

  it("looks for gateway.yaml beside the channels, or here", () => {
    expect(readSettings({}).config).to.deep.equal({ file: resolve("gateway.yaml"), named: false });
    expect(readSettings({ PICTOR_CHANNELS: "/etc/pictor/channels/" }).config).to.deep.equal({
      file: "/etc/pictor/gateway.yaml",
      named: false,
    });
  });

  it("lays channels of this folder over those that ship", () => {
    const before = process.cwd();
    try {
      process.chdir("/");
      const { channels } = readSettings({});
      expect(channels.folders).to.deep.equal([
        { path: "/channels", optional: true },
        { path: resolve(shippedChannels), optional: false },
      ]);
      expect(ownFolder(channels)).to.equal("/channels");
      expect(ownFolder(readSettings({ PICTOR_CHANNELS: "shipped" }).channels)).to.equal("/channels");
      expect(ownFolder(readSettings({ PICTOR_CHANNELS: "shipped,/c,/d" }).channels)).to.equal("/c");
    } finally {
      process.chdir(before);
    }
  });

  it("takes an empty variable for one that is not set", () => {
    const empty = Object.fromEntries(Object.keys(environmentNames).map((name) => [name, " "]));
    expect(readSettings(empty)).to.deep.equal(readSettings({}));
  });

  it("is read whole", () => {
    const settings = readSettings({
      PORT: "0",
      HOST: "::",
      PICTOR_API_KEYS: " a, b,,",
      PICTOR_ADMIN_KEY: " o ",
      PICTOR_START: "strict",
      PICTOR_CHANNELS: "/c, shipped",
      PICTOR_CHANNELS_JSON: " {} ",
      PICTOR_PLUGINS: "/p",
      PICTOR_PUBLIC_URL: "https://images.example/x//",
      PICTOR_DATA: "/d",
      PICTOR_PICTURE_LIFE: "60",
      PICTOR_DATA_MAX: "2097152",
      PICTOR_MAX_BODY: "4096",
      PICTOR_MAX_IMAGE: "2048",
      PICTOR_MAX_PIXELS: "1024",
      PICTOR_CORS_ORIGINS: "https://a.example,*",
      PICTOR_TRUST_PROXY: "ON",
      PICTOR_DEMO: "1",
      PICTOR_CONSOLE: "off",
      PICTOR_CONFIG: "/g.yaml",
      PICTOR_SHUTDOWN_SECONDS: "0",
      PICTOR_SHUTDOWN_PAUSE: "5",
      PICTOR_WORKERS: "2",
      REDIS_URL: "redis://127.0.0.1",
      DATABASE_URL: "postgres://127.0.0.1/pictor",
      LOG_LEVEL: "silent",
    });
    expect(settings.pluginFolders.slice(1)).to.deep.equal(["/p"]);
    expect({ ...settings, pluginFolders: [] }).to.deep.equal({
      port: 0,
      host: "::",
      apiKeys: ["a", "b"],
      adminKey: "o",
      strict: true,
      channels: {
        folders: [
          { path: "/c", optional: false },
          { path: resolve(shippedChannels), optional: false },
        ],
        given: "{}",
      },
      envFile: resolve(".env"),
      pluginFolders: [],
      publicUrl: "https://images.example/x",
      data: "/d",
      dataMax: 2097152,
      store: undefined,
      pictureLife: 60,
      inputLimits: { text: 1048576, body: 4096, file: 2048, bytes: 2048, pixels: 1024, idle: 30_000 },
      corsOrigins: ["https://a.example", "*"],
      trustProxy: true,
      demo: true,
      config: { file: "/g.yaml", named: true },
      shutdownSeconds: 0,
      shutdownPause: 5,
      workers: 2,
      redis: "redis://127.0.0.1",
      database: "postgres://127.0.0.1/pictor",
      hasConsole: false,
      logLevel: "silent",
      propagates: true,
      exportsSpans: false,
    });
  });

  for (const name of ["HTTP_PROXY", "https_proxy", "ALL_PROXY"]) {
    it(`refuses a ${name} that is no HTTP proxy, without its password`, () => {
      for (const value of ["proxy.example:3128", "socks5://user:pass@proxy.example", "http://"])
        expect(() => readSettings({ [name]: value })).to.throw(
          `${name.toUpperCase()} must be an address such as http://proxy.example:3128; http:// and https:// proxies are understood`,
        );
      readSettings({ [name]: "http://user:pass@proxy.example" });
    });
  }

  for (const [name, value, right] of [
    ["PORT", "65536", "a whole number from 0 to 65535"],
    ["PORT", "80.5", "a whole number"],
    ["PORT", "-1", "a whole number"],
    ["PICTOR_PICTURE_LIFE", "1", "from 60"],
    ["PICTOR_PUBLIC_URL", "images.example", "such as https://"],
    ["PICTOR_PUBLIC_URL", "ftp://images.example", "such as https://"],
    ["PICTOR_TRUST_PROXY", "maybe", "on or off"],
    ["PICTOR_DEMO", "yes", "on or off"],
    ["PICTOR_SHUTDOWN_SECONDS", "-1", "from 0"],
    ["PICTOR_START", "gently", "strict or lenient"],
    ["LOG_LEVEL", "loud", "debug, info, warn, error, fatal or silent"],
  ] as const) {
    it(`refuses ${name}=${value}, and says what would be right`, () =>
      expect(() => readSettings({ [name]: value }))
        .to.throw(`${name} is ${value}; it must be`)
        .with.property("message")
        .that.includes(right));
  }

  it("refuses an operator's key that a client has, or that no header can carry, without showing it", () => {
    for (const PICTOR_ADMIN_KEY of ["sk-two", "sk two"])
      expect(() => readSettings({ PICTOR_API_KEYS: "sk-one,sk-two", PICTOR_ADMIN_KEY }))
        .to.throw("PICTOR_ADMIN_KEY must be one word, and none of PICTOR_API_KEYS")
        .with.property("message")
        .that.does.not.include(PICTOR_ADMIN_KEY);
  });

  it("refuses a DATABASE_URL that is no address, without its password", () => {
    for (const DATABASE_URL of ["postgres://pictor:se/cret@db/pictor", "postgres://pictor:se#cret@db/pictor", "mysql://pictor:se-cret@db"])
      expect(() => readSettings({ DATABASE_URL }))
        .to.throw("DATABASE_URL must be an address such as postgres://user:password@127.0.0.1:5432/pictor; a password's / is written %2F")
        .with.property("message")
        .that.does.not.include("cret");
    for (const DATABASE_URL of ["postgres:///pictor?host=/run/postgresql", "postgres://pictor:secret@/pictor", "postgresql://db:5432/p"])
      expect(readSettings({ DATABASE_URL }).database).to.equal(DATABASE_URL);
  });

  it("reads the bucket of pictures, and refuses a bound of the folder beside it", () => {
    const env = { PICTOR_STORE: "s3://b-1?endpoint=https://s3.example", AWS_ACCESS_KEY_ID: "i", AWS_SECRET_ACCESS_KEY: "s" };
    expect(readSettings(env).store).to.include({ bucket: "b-1", endpoint: "https://s3.example" });
    expect(() => readSettings({ ...env, PICTOR_DATA_MAX: "2097152" })).to.throw("PICTOR_DATA_MAX bounds the folder of PICTOR_DATA");
  });

  it("asks whether another was meant where a variable is nobody's, and leaves those of channels and Kubernetes alone", () => {
    const env = {
      PICTOR_WORKER: "2",
      PICTOR_DATA: "/d",
      PICTOR_ONE_API_KEY: "k",
      PICTOR_NAMED: "n",
      PICTOR_SERVICE_HOST: "10.0.0.1",
      PICTOR_PORT: "tcp://10.0.0.1:80",
      PICTOR_PORT_8080_TCP_ADDR: "10.0.0.1",
      OTHER: "o",
    };
    expect(unknownVariables(env, [Buffer.from("keys: ['${env.PICTOR_NAMED}']")])).to.deep.equal([
      "PICTOR_WORKER is set, and is no variable of the gateway's (did you mean PICTOR_WORKERS?)",
    ]);
  });

  it("passes traces on unless the operator names no way that is known", () => {
    const reading = (value: string) => readSettings({ OTEL_PROPAGATORS: value }).propagates;
    expect(["", "tracecontext", "baggage, tracecontext"].map(reading)).to.deep.equal([true, true, true]);
    expect(["none", "b3"].map(reading)).to.deep.equal([false, false]);
  });

  it("exports spans where there is a collector and nothing says no", () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4318" };
    const reading = (more: Record<string, string>) => readSettings({ ...endpoint, ...more }).exportsSpans;
    expect(reading({ OTEL_TRACES_SAMPLER: "parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.1" })).to.equal(true);
    expect(readSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://traces.example/in" }).exportsSpans).to.equal(true);
    const off: Record<string, string>[] = [
      { OTEL_SDK_DISABLED: "TRUE" },
      { OTEL_TRACES_EXPORTER: "none" },
      { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
    ];
    for (const variables of off) expect(reading(variables), JSON.stringify(variables)).to.equal(false);
    const wrong: [variables: Record<string, string>, message: string][] = [
      [{ OTEL_EXPORTER_OTLP_ENDPOINT: "user:secret@collector" }, "OTEL_EXPORTER_OTLP_ENDPOINT must be an address such as"],
      [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "http://:" }, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be an address such as"],
      [{ OTEL_TRACES_SAMPLER: "never" }, "OTEL_TRACES_SAMPLER is never; it must be always_on, always_off, traceidratio, or"],
      [{ OTEL_TRACES_SAMPLER_ARG: "10" }, "OTEL_TRACES_SAMPLER_ARG is 10; it must be a number from 0 to 1"],
    ];
    for (const [variables, message] of wrong)
      expect(() => reading(variables))
        .to.throw(message)
        .and.not.match(/secret/);
  });

  it("has a sentence for every variable, and defaults only for those", () => {
    for (const text of Object.values(environmentNames)) expect(text).to.match(/\.$/);
    expect(Object.keys(environmentNames)).to.include.members(Object.keys(environmentDefaults));
  });
});

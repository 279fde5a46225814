// The files of deploy/, the Dockerfile and compose.yaml say what the gateway takes.
import { expect } from "chai";
import { readdir, readFile } from "node:fs/promises";
import { parse } from "yaml";
import { createMetrics } from "../../src/http/metrics.ts";
import { environmentDefaults, environmentNames } from "../../src/process/environment.ts";
import { readS3Address } from "../../src/net/s3/address.ts";
import { loadFiles } from "../helpers/channels.ts";
import { parseGatewayFile } from "../../src/process/gateway-file.ts";
import { roomForNewObjects } from "../../src/process/supervise.ts";

const read = (name: string) => readFile(name, "utf8");

/** The metrics there are, with their labels. */
const known = () =>
  new Map(
    createMetrics()
      .registry.getMetricsAsArray()
      .map((metric) => [metric.name, (metric as { labelNames?: string[] }).labelNames ?? []]),
  );

interface Manifest {
  kind: string;
  spec: { template: { spec: Pod } };
}

interface Pod {
  terminationGracePeriodSeconds: number;
  containers: {
    env: { name: string; value: string }[];
    livenessProbe: Probe;
    readinessProbe: Probe;
    securityContext: object;
    volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
  }[];
  volumes: { name: string; configMap?: { name: string } }[];
}

interface Service {
  environment: Record<string, string>;
  profiles?: string[];
  command: string[];
  volumes: string[];
  stop_grace_period: string;
  depends_on: object;
}

interface Probe {
  httpGet: { path: string };
}

const servicesOfCompose = async () => (parse(await read("compose.yaml")) as { services: Record<string, Service> }).services;

describe("what deploys the gateway", () => {
  it("alerts name metrics and labels that are there", async () => {
    const { groups } = parse(await read("deploy/alerts.yaml")) as { groups: { rules: { alert: string; expr: string }[] }[] };
    for (const { alert, expr } of groups.flatMap(({ rules }) => rules)) {
      const metrics = [...expr.matchAll(/(pictor_\w+)(?:\{([^}]*)\})?/g)];
      if (metrics.length === 0) expect(expr, alert).to.match(/^up\{/);
      const labels = metrics.flatMap(([, metric = "", selector = ""]) => {
        const name = known().has(metric) ? metric : metric.replace(/_(bucket|sum|count)$/, "");
        expect([...known().keys()], alert).to.include(name);
        for (const [, label = ""] of selector.matchAll(/(\w+)=/g)) expect(known().get(name), `${alert}: ${label}`).to.include(label);
        return [...known().get(name)!, "le"];
      });
      for (const [, by = ""] of expr.matchAll(/by \(([^)]*)\)/g)) expect(labels, alert).to.include.members(by.split(", "));
    }
  });

  it("the dashboard has a panel for each metric", async () => {
    const { panels } = JSON.parse(await read("deploy/grafana.json")) as { panels: { title: string; targets: { expr: string }[] }[] };
    expect(panels.map(({ title }) => title)).to.have.members([...known().keys()]);
    for (const { title, targets } of panels) for (const { expr } of targets) expect(expr).to.include(title);
  });

  it("the image has the variables and the folders that the gateway reads, and a command of it", async () => {
    const dockerfile = await read("Dockerfile");
    const { engines, scripts, files } = JSON.parse(await read("package.json")) as Record<"engines" | "scripts", Record<string, string>> & {
      files: string[];
    };
    const [, least = ""] = /^>=(\d+)/.exec(engines.node!) ?? [];
    for (const [, major] of dockerfile.matchAll(/^FROM node:(\d+)/gm)) expect(Number(major)).to.be.at.least(Number(least));
    const [, env = ""] = /^ENV (.*)$/m.exec(dockerfile) ?? [];
    for (const pair of env.split(" ")) expect(["NODE_ENV", ...Object.keys(environmentNames)]).to.include(pair.split("=")[0]);
    // What the package runs from is in the image too.
    for (const name of files.filter((file) => /^(dist|channels)/.test(file)))
      expect(dockerfile).to.include(`/src/${name} /opt/pictor/${name}`);
    const [, entrypoint = "[]"] = /^ENTRYPOINT (.*)$/m.exec(dockerfile) ?? [];
    const [, ...rest] = JSON.parse(entrypoint) as string[];
    const program = rest.pop() ?? "";
    // No supervisor gives them to the only process of a container.
    expect(rest).to.deep.equal(roomForNewObjects([]));
    expect(scripts.start).to.include(program.replace("/opt/pictor/", ""));
    expect(dockerfile).to.match(/^USER \d+:\d+$/m);
  });

  it("the image, the documentation and the package name the same packages that export traces", async () => {
    const { peerDependencies, devDependencies } = JSON.parse(await read("package.json")) as Record<string, Record<string, string>>;
    for (const [name, range] of Object.entries(peerDependencies ?? {})) {
      expect(range).to.equal(`^${devDependencies?.[name]}`);
      for (const file of ["Dockerfile", "docs/operate.md"]) expect(await read(file), file).to.include(`${name}@${devDependencies?.[name]}`);
    }
    expect(Object.keys(peerDependencies ?? {})).to.have.length(3);
  });

  it("compose.yaml gives variables that are there, and time to shut down", async () => {
    const { pictor, ...others } = await servicesOfCompose();
    const names = Object.keys(pictor!.environment).filter((name) => !name.endsWith("_API_KEY"));
    expect(Object.keys(environmentNames)).to.include.members(names);
    const needed = Object.keys(others).filter((name) => !others[name]!.profiles);
    expect(needed).to.have.members(Object.keys(pictor!.depends_on));
    expect(parseInt(pictor!.stop_grace_period)).to.be.above(Number(pictor!.environment.PICTOR_SHUTDOWN_SECONDS));
  });

  it("compose.yaml and its documentation name one store, with a bucket and keys", async () => {
    const { s3, pictor } = (await servicesOfCompose()) as { s3: Service; pictor: Service };
    for (const file of ["compose.yaml", "docs/operate.md"]) {
      const [address = ""] = /s3:\/\/\S+:7070/.exec(await read(file)) ?? [];
      const { bucket, endpoint } = readS3Address(address, { PICTOR_STORE_KEY_ID: "k", PICTOR_STORE_SECRET: "s" });
      expect(endpoint).to.equal("http://s3:7070");
      expect(s3.volumes.map((volume) => volume.split(":")[1])).to.deep.equal([`${s3.command[1]}/${bucket}`]);
    }
    expect(Object.values(s3.environment)).to.deep.equal(
      ["PICTOR_STORE_KEY_ID", "PICTOR_STORE_SECRET"].map((name) => pictor.environment[name]),
    );
  });

  it("the deployment's probes, variables, files and volumes are there, and there is time to shut down", async () => {
    const folder = "deploy/kubernetes";
    const { resources, configMapGenerator } = parse(await read(`${folder}/kustomization.yaml`)) as {
      resources: string[];
      configMapGenerator: { name: string; files: string[] }[];
    };
    expect([...resources, "kustomization.yaml", ...configMapGenerator.flatMap(({ files }) => files)].sort()).to.deep.equal(
      (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".yaml")).sort(),
    );
    const manifests = await Promise.all(resources.map(async (name) => parse(await read(`${folder}/${name}`)) as Manifest));
    expect(manifests.map(({ kind }) => kind)).to.have.members(["Deployment", "Service", "PodDisruptionBudget"]);
    const pod = manifests.find(({ kind }) => kind === "Deployment")!.spec.template.spec;
    const [container] = pod.containers;
    const { env, livenessProbe, readinessProbe, volumeMounts } = container!;
    const valueOf = (wanted: keyof typeof environmentDefaults) =>
      Number(env.find(({ name }) => name === wanted)?.value ?? environmentDefaults[wanted]);
    expect([livenessProbe.httpGet.path, readinessProbe.httpGet.path]).to.deep.equal(["/livez", "/readyz"]);
    for (const { name } of env) expect(Object.keys(environmentNames)).to.include(name);
    expect(pod.terminationGracePeriodSeconds).to.be.above(valueOf("PICTOR_SHUTDOWN_PAUSE") + valueOf("PICTOR_SHUTDOWN_SECONDS"));
    expect(volumeMounts.map(({ name }) => name)).to.have.members(pod.volumes.map(({ name }) => name));
    for (const { configMap } of pod.volumes) if (configMap) expect(configMapGenerator.map(({ name }) => name)).to.include(configMap.name);
    parseGatewayFile("gateway.yaml", await readFile(`${folder}/gateway.yaml`), {}, undefined);
    await loadFiles({ "acme.yaml": await read(`${folder}/channels/acme.yaml`) });
  });

  it("the unit has time to shut down, and a state folder where the gateway looks for it", async () => {
    const unit = await read("deploy/pictor.service");
    const [, state = ""] = /^StateDirectory=(.*)$/m.exec(unit) ?? [];
    expect(unit).to.include(`PICTOR_DATA=/var/lib/${state}`);
    const [, seconds = ""] = /^TimeoutStopSec=(\d+)$/m.exec(unit) ?? [];
    expect(Number(seconds)).to.be.above(Number(environmentDefaults.PICTOR_SHUTDOWN_SECONDS));
  });
});

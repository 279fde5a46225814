import { loadDoors } from "../../src/door/load.ts";
import { textsOf } from "../../src/channels/texts.ts";
import type { Door } from "../../src/door/compile.ts";
import { createTable } from "../../src/gateway/table.ts";
import { isOwnPath } from "../../src/http/app.ts";
import { createDoorMemory } from "../../src/http/door-memory.ts";
import type { Gateway } from "../../src/http/gateway.ts";
import { startHouse, type Handler, type House } from "../http/setup.ts";

/** The doors of these files, by name. */
export async function doorsOf(files: Record<string, string>) {
  const folder = textsOf(
    new Map(Object.entries(files).map(([name, text]) => [`doors/${name}.yaml`, Buffer.from(text)])),
    (name) => `channels/${name}`,
  );
  return loadDoors({ folder, isTaken: isOwnPath });
}

/** A gateway with these doors, before one provider that answers as `handler` does. */
export async function houseWithDoors(doors: readonly Door[], handler?: Handler, parts: Partial<Gateway> = {}): Promise<House> {
  const house = await startHouse(handler, { doorMemory: createDoorMemory(), ...parts });
  const { gateway } = house;
  const table = gateway.table();
  const withDoors = { ...createTable({ channels: table.channels, routes: [] }), ...table, doors };
  gateway.table = () => withDoors;
  return house;
}

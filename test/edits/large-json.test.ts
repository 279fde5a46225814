// An image of JSON that is larger than images may be.
import { expect } from "chai";
import { solidPng } from "../../src/picture/png.ts";
import { createSpool } from "../../src/picture/spool.ts";
import { usualLimits } from "../../src/http/input-limits.ts";
import { errorOf, reply, startHouse } from "../http/setup.ts";
import { channelFolder } from "../helpers/channels.ts";

describe("an image of JSON that is too large", () => {
  it("is refused by its place, and no more of it is kept than an image may have", async () => {
    const { folder, remove } = await channelFolder({});
    const spool = createSpool({ folder: `${folder}/tmp`, largest: 1 });
    let kept = 0;
    const house = await startHouse((_call, response) => reply(response, {}), {
      inputLimits: { ...usualLimits, file: 200_000, bytes: 200_000 },
      spool: {
        ...spool,
        scope: () => {
          const own = spool.scope();
          const counted = async function* (chunks: AsyncIterable<Buffer>) {
            for await (const chunk of chunks) {
              kept += chunk.length;
              yield chunk;
            }
          };
          return { ...own, take: (chunks, limit) => own.take(counted(chunks), limit) };
        },
      },
    });
    try {
      const png = solidPng(8, 8);
      const image_url = `data:image/png;base64,${Buffer.concat([png, Buffer.alloc(1_200_000)]).toString("base64")}`;
      const body = { model: "demo", prompt: "a hat", images: [png.toString("base64"), { image_url }] };
      await errorOf(await house.generate(body), 413, "request_too_large", "images[1].image_url");
      expect(kept).to.be.below(500_000);
      expect(house.provider.calls).to.deep.equal([]);
    } finally {
      await house.close();
      await remove();
    }
  });
});

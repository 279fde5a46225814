// Makes the bucket that PICTOR_STORE names.
import { readS3Address } from "../../src/net/s3/address.ts";
import { createS3Client } from "../../src/net/s3/client.ts";

export async function makeBucket({ PICTOR_STORE = "", ...env } = process.env): Promise<void> {
  // The bucket is the path of a client that has none.
  await createS3Client(readS3Address(PICTOR_STORE, env)).call({ method: "PUT" });
}

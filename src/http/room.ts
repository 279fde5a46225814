// Judges, before an order, whether there is room for what will come back.
import { full } from "../picture/keep.ts";
import type { Gateway } from "./gateway.ts";

/** Size that a picture is taken to have before it is there, in bytes: most have less, and an order without room is refused. */
export const usualPicture = 8 * 1024 * 1024;

/** Throws a 507 where so many pictures would find room neither in memory nor on the disk. */
export async function judgeRoom({ spool }: Pick<Gateway, "spool">, pictures: number): Promise<void> {
  const bytes = pictures * usualPicture;
  if (spool.hasRoom(bytes)) return;
  const { writable, freeBytes } = await spool.disk();
  if (!writable || freeBytes < bytes) throw full();
}

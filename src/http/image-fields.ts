// The names under which clients send images.
import type { CompiledModel, OperationName } from "../schema/models.ts";

/** The documented names, and those that clients of other APIs use for the same. */
const imageNames = { own: ["image", "images"], other: ["image_url", "image_urls", "input_image", "input_images", "image[]", "images[]"] };
const maskNames = { own: ["mask"], other: ["mask_url", "mask_image", "mask[]"] };

/** Fields whose long texts are images. */
export const imageFields: ReadonlySet<string> = new Set([imageNames, maskNames].flatMap(({ own, other }) => [...own, ...other]));

/** The members under which clients put an image into an object. */
export const imageMembers = ["image_url", "url", "b64_json"];

type Fields = Readonly<Record<string, unknown>>;

/** The fields of a body that hold its images, and all others. */
export interface ImageFields {
  images: readonly (readonly [name: string, value: unknown])[];
  mask: unknown;
  rest: Record<string, unknown>;
  /** Names that the model does not know. */
  unknown: string[];
}

/**
 * The fields of a body that hold its images. Another name than the documented one is read where nothing has that one and the model means
 * nothing else by it; `path` is what the address asks for.
 */
export function imageFieldsOf(
  fields: Fields,
  { properties, open }: Pick<CompiledModel, "properties" | "open">,
  path: OperationName,
): ImageFields {
  const given = (names: readonly string[]) => names.filter((name) => Object.hasOwn(fields, name) && !isNothing(fields[name]));
  const read = ({ own, other }: typeof imageNames, more: readonly string[] = []) => {
    const documented = given(own);
    const others = [...(path === "edit" || !open ? other : []), ...more].filter((name) => !properties.includes(name));
    return documented.length > 0 ? documented : given(others).slice(0, 1);
  };
  const images = read(imageNames, path === "edit" ? ["url"] : []);
  const [mask] = read(maskNames);
  const taken = new Set([...images, ...imageNames.own, ...maskNames.own, mask]);
  const rest = Object.entries(fields).filter(([name]) => !taken.has(name));
  return {
    images: images.map((name) => [name, fields[name]] as const),
    mask: mask === undefined ? undefined : fields[mask],
    rest: Object.fromEntries(rest),
    unknown: rest.map(([name]) => name).filter((name) => !properties.includes(name)),
  };
}

/** An empty text is as good as none, and so is a list of nothing else. */
export function isNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.every((item) => item === undefined || item === null || item === "");
  return value === undefined || value === null || value === "";
}

/** Of a form's part: the field that it belongs to, its number in a list, and the member of an object that it is. */
export interface ImagePlace {
  field: string;
  index: number | undefined;
  member: string | undefined;
}

/** The place of an image in a form's part of this name; undefined for every other part. */
export function imagePlaceOf(name: string): ImagePlace | undefined {
  const [, field = "", index, member] = /^([a-z_]+)(?:\[(\d{0,4})\])?(?:\[(image_url|url|b64_json|file_id)\])?$/.exec(name) ?? [];
  if (!imageFields.has(field)) return undefined;
  return { field: field === "images" ? "image" : field, index: index ? Number(index) : undefined, member };
}

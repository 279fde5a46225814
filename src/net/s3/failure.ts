// Says what a store in S3 did wrong, and what its operator can do about it.
import type { S3Address } from "./address.ts";

/** A failed call of the store. The message is for the operator, and shows no secret. */
export class S3Failure extends Error {
  /** True for a temporary failure: the same call may succeed later without any action of the operator. */
  readonly passes: boolean;

  constructor(message: string, { passes, cause }: { passes: boolean; cause?: unknown }) {
    super(message, { cause });
    this.name = "S3Failure";
    this.passes = passes;
  }
}

/** An answer that reports an error. */
export interface BadAnswer {
  status: number;
  headers: Readonly<Record<string, string>>;
  /** The error code in the XML of the body; empty without a body, as in answers to HEAD. */
  code: string;
}

/** The parts of an address that sentences name. */
type Place = Pick<S3Address, "bucket" | "region" | "variables">;

const passing = new Set([429, 500, 502, 503, 504]);

const permissions = "s3:PutObject, s3:GetObject, s3:DeleteObject on its objects and s3:ListBucket on the bucket";

/** The failure that an answer stands for. */
export function failureOf(answer: BadAnswer, address: Place): S3Failure {
  const { status, code } = answer;
  const passes = passing.has(status) || code === "RequestTimeout";
  return new S3Failure(`${sentence(answer, address)} (${[status, code].filter(Boolean).join(" ")})`, { passes });
}

function sentence({ status, headers, code }: BadAnswer, { bucket, region, variables }: Place): string {
  const told = headers["x-amz-bucket-region"];
  switch (code) {
    case "RequestTimeTooSkewed":
      return `this machine's clock is not right: it says ${new Date().toUTCString()}, the store ${headers.date ?? "another time"}; set the clock, for example by NTP`;
    case "SignatureDoesNotMatch":
      return `${variables.secret} is not the secret of ${variables.id}; set both anew`;
    case "InvalidAccessKeyId":
      return `the store does not know ${variables.id}; set it and ${variables.secret} anew`;
    case "ExpiredToken":
    case "InvalidToken":
      return `${variables.token ?? variables.id} has expired, or is of another key; set ${Object.values(variables).join(", ")} anew`;
    case "NoSuchBucket":
      return `there is no bucket ${bucket}; make it, or set another in PICTOR_STORE`;
    case "AuthorizationHeaderMalformed":
    case "PermanentRedirect":
      return `the bucket ${bucket} is not in the region ${region}; set region${told === undefined ? "" : `=${told}`} in PICTOR_STORE`;
  }
  if (status === 301 || status === 307)
    return `the bucket ${bucket} is elsewhere; set region${told === undefined ? "" : `=${told}`} and endpoint in PICTOR_STORE`;
  if (status === 403) return `${variables.id} may not do this with the bucket ${bucket}; it needs ${permissions}`;
  return passing.has(status) ? "the store of PICTOR_STORE cannot answer at the moment" : "the store of PICTOR_STORE refused a call";
}

/**
 * Does the request fit? Checked before it takes room, by any Standard Schema (zod, valibot, arktype …). Step 1 of 7.
 *
 * @see https://standardschema.dev
 */
import { isThenable } from '../checks.ts'
import { InvalidRequestError, OptionsError, type RequestIssue } from '../errors.ts'

/** The part of the Standard Schema interface (version 1) that we use. */
export interface StandardSchema<Output, Input = Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** Any of them, whatever it takes and makes of it. */
export interface AnySchema {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    // biome-ignore lint/suspicious/noExplicitAny: it fits wherever a schema of something is asked for.
    readonly validate: (value: unknown) => any
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly RequestIssue[] }

/**
 * What the schema made of a request: the request as it goes on (with defaults filled in), what does not fit, or what
 * the schema itself has thrown.
 */
export type Checked<Req> =
  | { readonly request: Req }
  | { readonly issues: readonly RequestIssue[] }
  | { readonly error: unknown }

/** Checks a request. Asynchronous only if the schema is; never throws or rejects. */
export function check<Req>(schema: StandardSchema<Req>, request: Req): Checked<Req> | Promise<Checked<Req>> {
  try {
    const result = schema['~standard'].validate(request)
    return isThenable(result)
      ? Promise.resolve(result)
          .then(judge<Req>)
          .catch(failed)
      : judge(result)
  } catch (error) {
    return { error }
  }
}

/** The same for one that has come in before, perhaps by another schema. */
export async function inspected(
  schema: StandardSchema<unknown> | undefined,
  request: unknown,
): Promise<{ readonly request: unknown } | { readonly error: unknown }> {
  const checked = schema === undefined ? { request } : await check(schema, request)
  return 'issues' in checked ? { error: new InvalidRequestError(checked.issues) } : checked
}

function judge<Req>(result: StandardResult<Req>): Checked<Req> {
  if (typeof result === 'object' && result !== null) {
    const { issues } = result
    if (Array.isArray(issues)) return { issues }
    if (!issues && 'value' in result) return { request: result.value }
  }
  throw new OptionsError('schema', 'one that answers with { value } or with { issues }, an array', result)
}

function failed(error: unknown): { error: unknown } {
  return { error }
}

/**
 * What does the environment say? Where nobody may ask (Deno without `--allow-env`), nothing.
 */
export function environment(name: string): string | undefined {
  try {
    return process.env[name]
  } catch {
    return undefined
  }
}

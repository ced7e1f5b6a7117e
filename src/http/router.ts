/**
 * Which route is it? Of the table alone: a path that is not in it leads nowhere.
 */
import { TrieRouter } from 'hono/router/trie-router'
import { HttpProblem } from './problem.ts'
import type { Method, Route } from './route.ts'

export interface Found {
  readonly route: Route
  readonly path: { readonly [name: string]: string }
}

const methods: readonly Method[] = ['GET', 'POST', 'PATCH', 'DELETE']

export class Router {
  readonly #router = new TrieRouter<Route>()

  constructor(routes: readonly Route[]) {
    for (const route of routes) this.#router.add(route.method, route.path, route)
  }

  /**
   * @param method HEAD is answered as GET is
   * @throws {HttpProblem} 404, 405 with `Allow`, 400 for a path that can't be decoded
   */
  find(method: string, path: string): Found {
    const asked = method === 'HEAD' ? 'GET' : method
    const [[match] = []] = methods.includes(asked as Method) ? this.#router.match(asked, path) : []
    if (match !== undefined) return { route: match[0], path: decoded(match[1] as Record<string, string>) }
    const allowed = methods.filter((each) => this.#router.match(each, path)[0].length > 0)
    if (allowed.length === 0) throw new HttpProblem(404, 'NOT_FOUND')
    const allow = allowed.flatMap((each) => (each === 'GET' ? ['GET', 'HEAD'] : [each])).join(', ')
    throw new HttpProblem(405, 'METHOD_NOT_ALLOWED', undefined, { headers: { allow } })
  }
}

function decoded(params: { readonly [name: string]: string }): { readonly [name: string]: string } {
  try {
    return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, decodeURIComponent(value)]))
  } catch {
    throw new HttpProblem(400, 'BAD_REQUEST')
  }
}

/** Path and query of a request line, the path without what stands in front of all routes. @throws {HttpProblem} 400 */
export function targetOf(target: string, basePath: string): { readonly path: string; readonly search: string } {
  // A proxy's absolute form, `*`, and what is no path.
  if (!target.startsWith('/') || !/^[\x21-\x7e]+$/.test(target)) throw new HttpProblem(400, 'BAD_REQUEST')
  const at = target.search(/[?#]/)
  const whole = at < 0 ? target : target.slice(0, at)
  const isBelow = basePath !== '' && (whole === basePath || whole.startsWith(`${basePath}/`))
  const path = isBelow ? whole.slice(basePath.length) || '/' : whole
  return { path, search: at < 0 ? '' : target.slice(at + 1).replace(/#.*$/s, '') }
}

/** @throws {HttpProblem} 400 when a name stands there twice */
export function queryOf(search: string): { readonly [name: string]: string } {
  const query: Record<string, string> = Object.create(null)
  if (search === '') return query
  for (const [name, value] of new URLSearchParams(search)) {
    if (name in query) {
      throw new HttpProblem(400, 'INVALID', undefined, {
        issues: [{ in: 'query', message: 'expected each name once' }],
      })
    }
    query[name] = value
  }
  return { ...query }
}

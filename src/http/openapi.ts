/**
 * The table of routes as OpenAPI 3.1.
 *
 * @see https://spec.openapis.org/oas/v3.1.1
 */
import { problemCodes } from './problem.ts'
import type { Route } from './route.ts'
import { jsonSchemaOf, type Shape } from './shapes.ts'

interface ObjectSchema {
  readonly properties?: { readonly [name: string]: object }
  readonly required?: readonly string[]
}

export function openapiOf(routes: readonly Route[], version: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, (whole, name, at) => (route.path[at - 1] === '/' ? `{${name}}` : whole))
    paths[path] ??= {}
    ;(paths[path] as Record<string, object>)[route.method.toLowerCase()] = operationOf(route)
  }
  return {
    openapi: '3.1.0',
    info: { title: 'triage-queue', version, description: 'Requests behind priority queues, over HTTP.' },
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'triage_session' },
      },
      schemas: { Problem: problemSchema },
    },
  }
}

function operationOf({ summary, level, tag, params, query, headers, body, answers }: Route): object {
  const parameters = [
    ...parametersOf(params, 'path'),
    ...parametersOf(query, 'query'),
    ...Object.entries(headers ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      description,
      schema: { type: 'string' },
    })),
  ]
  return {
    ...{ summary, tags: [tag], 'x-level': level },
    ...(level === 'none' && { security: [] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: { required: true, content: { 'application/json': { schema: jsonSchemaOf(body) } } },
    }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, description]) => [status, { description }])),
      default: {
        description: 'A problem',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

function parametersOf(shape: Shape | undefined, where: 'path' | 'query'): object[] {
  if (shape === undefined) return []
  const { properties = {}, required = [] } = jsonSchemaOf(shape) as ObjectSchema
  return Object.entries(properties).map(([name, schema]) => ({
    ...{ name, in: where, schema },
    required: where === 'path' || required.includes(name),
  }))
}

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', examples: [...Object.keys(problemCodes), 'TRIAGE_QUEUE_FULL'] },
    retryAfterMs: { type: 'number' },
    explain: { type: 'object' },
    issues: {
      type: 'array',
      items: { type: 'object', properties: { in: { type: 'string' }, message: { type: 'string' } } },
    },
  },
}

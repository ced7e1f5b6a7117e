/**
 * The table of routes: the source of the router, of each route's level, of what is checked, of OpenAPI and of the reference.
 */
import type { Route } from './route.ts'
import { aliasRoutes, queueRoutes } from './routes-queues.ts'
import { requestRoutes } from './routes-requests.ts'
import { serviceRoutes } from './routes-service.ts'

export const routes: readonly Route[] = [...requestRoutes, ...queueRoutes, ...serviceRoutes, ...aliasRoutes]

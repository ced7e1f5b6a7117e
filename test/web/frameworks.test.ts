/**
 * What do frameworks make of our errors, as they are? On real sockets.
 */
import { createServer, type Server } from 'node:http'
import { Controller, Get, HttpException, Module, NotFoundException } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import express from 'express'
import Fastify from 'fastify'
import 'reflect-metadata'
import { CancelledError, OverloadedError, RateLimitedError, RunTimeoutError } from 'triage-queue'
import { nestFilter, toProblem } from 'triage-queue/web'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Answer, busy, get, portOf } from './support.ts'

type Handler = () => unknown
const explain = { rule: 'r', compared: { n: 1 }, wouldAdmit: 'none' }

/** Each is the framework's own hello world, and nothing else. */
const frameworks: Record<string, (handler: Handler) => Promise<number>> = {
  async Express(handler) {
    vi.spyOn(console, 'error').mockReturnValue()
    const app = express()
    app.get('/', async (_req, res) => {
      res.send(await handler())
    })
    return portOf(createServer(app))
  },
  async Fastify(handler) {
    const app = Fastify()
    app.get('/', async () => handler())
    onTestFinished(() => app.close())
    await app.listen({ host: '127.0.0.1', port: 0 })
    return portOf(app.server)
  },
  Nest: (handler) => nest(handler),
  'Nest with the filter': (handler) => nest(handler, true),
}

/** Decorators are functions. */
async function nest(handler: Handler, withFilter = false): Promise<number> {
  class AppController {
    getHello(): unknown {
      return handler()
    }
  }
  Controller()(AppController)
  Get()(AppController.prototype, 'getHello', Object.getOwnPropertyDescriptor(AppController.prototype, 'getHello') ?? {})
  class AppModule {}
  Module({ controllers: [AppController] })(AppModule)
  const app = await NestFactory.create(AppModule, { logger: false })
  if (withFilter) app.useGlobalFilters(nestFilter())
  onTestFinished(() => app.close())
  await app.listen(0, '127.0.0.1')
  return portOf(app.getHttpServer() as Server)
}

const sendsHeaders = (framework: string) => framework !== 'Nest'

describe.each(Object.keys(frameworks))('%s', (framework) => {
  const serve = async (handler: Handler): Promise<Answer> => get(await frameworks[framework]!(handler))

  test('answers 503 with Retry-After when the queue is full, before any run has ended', async () => {
    const queue = await busy({ maxQueueSize: 'none' })
    const { status, headers } = await serve(() => queue.execute('refused'))
    expect(status).toBe(503)
    // A second, or up to a quarter more.
    if (sendsHeaders(framework)) expect(headers['retry-after']).toMatch(/^[12]$/)
    else expect(headers).not.toHaveProperty('retry-after')
  })

  test('answers 503 with Retry-After when a request has waited too long', async () => {
    const queue = await busy({ waitTimeoutMs: 5 })
    const { status, headers } = await serve(() => queue.execute('late'))
    expect(status).toBe(503)
    if (sendsHeaders(framework)) expect(headers['retry-after']).toMatch(/^[12]$/)
  })

  test.each([
    [new RateLimitedError(explain, undefined, 30_001), 429, '31'],
    [new OverloadedError(explain, undefined, 1), 503, '1'],
    [new RunTimeoutError(1, 1), 504, undefined],
    [new CancelledError('why'), 409, undefined],
  ])('%s', async (error, status, retryAfter) => {
    const answer = await serve(() => Promise.reject(error))
    expect(answer.status).toBe(status)
    if (sendsHeaders(framework)) expect(answer.headers['retry-after']).toBe(retryAfter)
  })

  test('answers as ever when it is no error of ours', async () => {
    const answer = await serve(() => Promise.reject(new Error('secret')))
    expect(answer.status).toBe(500)
    expect(answer.headers['content-type']).not.toContain('problem')
  })
})

test('the filter answers with a problem; what is not ours it leaves to Nest', async () => {
  const error = new OverloadedError(explain, undefined, 1_500)
  const refused = await get(await nest(() => Promise.reject(error), true))
  expect(refused.headers).toMatchObject({
    'content-type': 'application/problem+json; charset=utf-8',
    'retry-after': '2',
  })
  expect(JSON.parse(refused.body)).toEqual(toProblem(error))
  const missing = await get(await nest(() => Promise.reject(new NotFoundException('no such thing')), true))
  expect(missing.status).toBe(404)
  expect(JSON.parse(missing.body)).toMatchObject({ message: 'no such thing' })
  expect(new NotFoundException()).toBeInstanceOf(HttpException)
})

test('the filter answers through Fastify’s reply too', async () => {
  const app = Fastify()
  app.setErrorHandler((error, _request, reply) => {
    nestFilter().catch(error as never, { getType: () => 'http', switchToHttp: () => ({ getResponse: () => reply }) })
  })
  app.get('/', () => Promise.reject(new OverloadedError(explain, undefined, 1_500)))
  onTestFinished(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { status, headers, body } = await get(await portOf(app.server))
  expect(status).toBe(503)
  expect(headers).toMatchObject({ 'retry-after': '2' })
  expect(headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(JSON.parse(body)).toMatchObject({ code: 'TRIAGE_OVERLOADED' })
})

test('an answer that has begun is ended, and what is no HTTP request is none of the filter’s business', async () => {
  const error = new OverloadedError(explain)
  const raw = { headersSent: true, end: vi.fn() }
  nestFilter().catch(error, { getType: () => 'http', switchToHttp: () => ({ getResponse: () => raw }) })
  expect(raw.end).toHaveBeenCalledOnce()
  const rpc = { getType: () => 'rpc', switchToHttp: () => ({ getResponse: () => raw }) }
  expect(() => nestFilter().catch(error, rpc)).toThrow(error)
})

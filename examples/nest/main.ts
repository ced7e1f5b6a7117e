/**
 * How does a Nest service give its scarce work to whoever needs it most? Its hello world, in one file, and the queue around it.
 *
 * `nest start` runs it. Node itself runs no decorators, so here, after `npm run build`:
 *
 *     node --import ./examples/nest/decorators.ts examples/nest/main.ts
 *
 * Then: curl -i -H 'triage-priority: urgent' -H 'triage-deadline: 500' localhost:3000
 */
import { Controller, Get, Module, Req, Res } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { register } from 'prom-client'
import { fairBy, QueuedExecutor } from 'triage-queue'
import { prometheus } from 'triage-queue/prometheus'
import { nestFilter, optionsFrom, type RequestLike, type ResponseLike } from 'triage-queue/web'

const hello = () => new Promise((resolve) => setTimeout(resolve, 50, 'Hello World!')) // your scarce thing: (request, run) => …
const order = fairBy((_request, tenant) => String(tenant))
const queue = new QueuedExecutor(hello, { concurrency: 4, maxQueueSize: 40, order })
prometheus(queue)

@Controller()
class AppController {
  @Get()
  getHello(@Req() req: RequestLike, @Res({ passthrough: true }) res: ResponseLike) {
    return queue.execute('hello', { ...optionsFrom(req, res), metadata: req.headers['x-tenant'] })
  }
}

@Module({
  imports: [],
  controllers: [AppController],
  providers: [],
})
class AppModule {}

async function bootstrap() {
  const app = await NestFactory.create(AppModule)
  app.useGlobalFilters(nestFilter())
  app.getHttpAdapter().get('/metrics', async (_, res) => res.type(register.contentType).send(await register.metrics()))
  app.getHttpAdapter().get('/health', (_, res) => res.sendStatus(queue.health().ready ? 200 : 503))
  process.once('SIGTERM', () => queue.close({ graceMs: 10_000 }).then(() => app.close()))
  await app.listen(process.env.PORT ?? 3000)
}
bootstrap()

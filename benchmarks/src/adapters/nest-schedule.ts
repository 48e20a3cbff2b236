import type { INestApplicationContext } from '@nestjs/common'
import type { Job, MemoryContestant } from './memory-contestant.ts'

/** So many scheduled methods has each provider. */
const METHODS = 100

/** `@Interval` and `@Cron` on methods of providers: the declarative way, which its documentation shows first. */
export const nestSchedule: MemoryContestant = {
  name: '@nestjs/schedule',
  open: async (jobs) => {
    await import('reflect-metadata')
    const { Module } = await import('@nestjs/common')
    const { NestFactory } = await import('@nestjs/core')
    const { Cron, Interval, ScheduleModule, SchedulerRegistry } = await import('@nestjs/schedule')

    /** What decorators above its methods do: Node takes types away, and a decorator is no type. */
    function declareProvider(declared: readonly Job[]) {
      class Provider {}
      for (const { name, schedule, work } of declared) {
        const descriptor = { value: () => work(), configurable: true, enumerable: false, writable: true }
        const decorate =
          'everyMs' in schedule ? Interval(name, schedule.everyMs) : Cron(schedule.cron, { name, timeZone: 'UTC' })
        decorate(Provider.prototype, name, descriptor)
        Object.defineProperty(Provider.prototype, name, descriptor)
      }
      return Provider
    }

    const groups = Array.from({ length: Math.ceil(jobs.length / METHODS) }, (_, group) =>
      jobs.slice(group * METHODS, (group + 1) * METHODS),
    )
    class Application {}
    Module({ imports: [ScheduleModule.forRoot()], providers: groups.map(declareProvider) })(Application)
    let application: INestApplicationContext
    return {
      start: async () => {
        application = await NestFactory.createApplicationContext(Application, { logger: false })
      },
      nextDueAt: (index) =>
        application
          .get(SchedulerRegistry)
          .getCronJob(jobs[index]?.name ?? '')
          .nextDate()
          .toMillis(),
      stop: () => application.close(),
    }
  },
}

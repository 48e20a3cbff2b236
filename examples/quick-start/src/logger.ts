import { type Logger, pino } from 'pino'
import pretty from 'pino-pretty'

/** Lines to read in a terminal; JSON lines, as a log collector wants them, everywhere else. */
export function createLogger(): Logger {
  if (!process.stdout.isTTY) return pino()
  return pino(
    pretty({
      // Written at once, so that what is printed after a line comes after it.
      sync: true,
      singleLine: true,
      translateTime: 'SYS:HH:MM:ss.l',
      messageFormat: '{if worker}{worker}: {end}{msg}',
      ignore: 'pid,hostname,worker,runId,scheduledFor,instanceId',
    }),
  )
}

import { type IPeriodicBackgroundWorker, every, periodicWorker } from '@background-workers/abstractions'
import { LogFolder } from './log-folder.ts'
import { UserRepository } from './user-repository.ts'

// An application needs nothing of this file: it has users who stay away and logs that grow old by themselves.

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)

/** Who is found to have stayed away while the example runs, one after the other. */
const LATER_USERS = ['Hedy', 'Radia', 'Frances', 'Katherine', 'Dorothy', 'Annie', 'Karen', 'Lynn']

/** Two users who come often, and three who have stayed away. */
export async function seedUsers(databaseFile: string): Promise<void> {
  const users = new UserRepository({ databaseFile })
  await users.add('Ada', daysAgo(1))
  await users.add('Grace', daysAgo(29))
  await users.add('Alan', daysAgo(31))
  await users.add('Edsger', daysAgo(90))
  await users.add('Barbara', daysAgo(400))
  users.close()
}

/** Two recent log files, and two old ones. */
export async function seedLogFolder(logFolderPath: string): Promise<void> {
  const logs = new LogFolder({ logFolderPath })
  await logs.write('today.log', daysAgo(0))
  await logs.write('last-week.log', daysAgo(6))
  await logs.write('last-month.log', daysAgo(31))
  await logs.write('last-year.log', daysAgo(365))
}

/** Gives the workers something to do: each time an old log file and, as long as there are some, a user who stays away. */
export function simulatedOutsideWorld(): IPeriodicBackgroundWorker {
  let times = 0
  return periodicWorker({
    name: 'simulated-outside-world',
    schedule: every('2s'),
    async doWork({ services }) {
      const user = LATER_USERS[times]
      times++
      if (user) await services.resolve<UserRepository>('userRepository').add(user, daysAgo(45))
      await services.resolve<LogFolder>('logFolder').write(`forgotten-${times}.log`, daysAgo(10))
    },
  })
}

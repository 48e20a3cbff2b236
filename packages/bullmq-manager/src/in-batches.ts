const AT_A_TIME = 25

/** Writes for many workers: some at a time, so that neither the round trips add up nor all wait for each other. */
export async function inBatches<T>(items: readonly T[], write: (item: T) => Promise<void>): Promise<void> {
  for (let index = 0; index < items.length; index += AT_A_TIME) {
    await Promise.all(items.slice(index, index + AT_A_TIME).map(write))
  }
}

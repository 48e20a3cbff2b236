const counts = { opened: 0, closed: 0, sent: 0 }

/** Each run has its own, which is closed when the run has ended. */
export class Mailbox {
  constructor() {
    counts.opened++
  }

  async send(_text: string): Promise<void> {
    counts.sent++
  }

  close(): void {
    counts.closed++
  }
}

/** Whether each run had its own, and all are closed. */
export function describeMailboxes(): string[] {
  const { opened, closed, sent } = counts
  return [`mailboxes     one for each run: ${opened === sent}, all closed: ${closed === opened}`]
}

/** A singleton, as most providers are. */
export class Mailer {
  readonly sent: string[] = []

  async send(text: string): Promise<void> {
    this.sent.push(text)
  }
}

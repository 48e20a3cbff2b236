/** Our largest form is a note of `MAX_TEXT_LENGTH`: of 9 KB, where each character takes three bytes and is sent as nine. */
const MAX_FORM_BYTES = 16_384

/** Whether a request says that it carries a form as browsers send it. */
export function isForm(request: Request): boolean {
  return /^application\/x-www-form-urlencoded\s*(;|$)/i.test(request.headers.get('content-type') ?? '')
}

/** Reads a form; gives `undefined`, and reads no further, when it is larger than it may be. */
export async function readForm(request: Request): Promise<URLSearchParams | undefined> {
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > MAX_FORM_BYTES) return undefined
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body ?? []) {
    size += chunk.byteLength
    if (size > MAX_FORM_BYTES) return undefined
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}

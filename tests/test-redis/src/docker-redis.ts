import { works } from 'system-program'

/** Whether a Docker engine answers; asked of the command line client, which knows contexts and DOCKER_HOST. */
export function isDockerRunning(): Promise<boolean> {
  return works(['docker', 'version', '--format', '{{.Server.Version}}'])
}

/** A Redis in a container. testcontainers is loaded only here: it takes a second, which others need not pay. */
export async function startDockerRedis(): Promise<{ url: string; stop: () => Promise<void> }> {
  const { RedisContainer } = await import('@testcontainers/redis')
  const container = await new RedisContainer('redis:7-alpine').start()
  return {
    url: container.getConnectionUrl(),
    stop: async () => {
      await container.stop()
    },
  }
}

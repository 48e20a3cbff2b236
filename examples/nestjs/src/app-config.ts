import { Module } from '@nestjs/common'

/** What differs between environments. With @nestjs/config it would be its ConfigService. */
export class AppConfig {
  readonly manager = process.env.MANAGER ?? 'default'
  readonly applicationName = process.env.APPLICATION_NAME ?? 'shop'
  readonly redisUrl = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
}

/** Provides the configuration. */
export class AppConfigModule {}

// What `@Module({ … })` above the class does: see app-module.ts.
Module({ providers: [AppConfig], exports: [AppConfig] })(AppConfigModule)

/** The version as package.json has it; the build puts the number in. */
declare const WARDEN_VERSION: string | undefined;

export const VERSION: string = typeof WARDEN_VERSION === 'string' ? WARDEN_VERSION : '0.0.0-source';

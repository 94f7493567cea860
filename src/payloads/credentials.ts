const HIDDEN = '[redacted]';

/** What comes before a credential in text. */
const NAMED =
  '(?:api[-_]?key|authorization|passw(?:or)?d|client[-_]?secret|secret[-_]?(?:access[-_]?)?key|private[-_]?key|(?:access|refresh|auth|bearer)[-_]?token)';
const VALUE = '(?!\\[redacted\\])[^\\s"\'\\\\,;&})\\]]{4,}';

/**
 * What credentials look like, and what stands in their place. The formats are those that the issuers document, as
 * GitHub's secret scanning lists them. Each pattern takes linear time whatever the text is: it is bounded, or begins
 * where no match of it can be under way, or takes all it can and asks for nothing behind.
 */
const patterns: readonly (readonly [pattern: RegExp, hidden: string])[] = [
  // OpenAI, Anthropic, OpenRouter, Stripe: sk-..., sk-proj-..., sk_live_...; Groq, Cerebras, xAI, Perplexity.
  // A digit tells a key from a name such as pk_customer_orders_index.
  [/(?<![A-Za-z0-9])(?:sk|rk|pk|gsk|csk|xai|pplx)[-_](?=[A-Za-z0-9_-]{0,64}\d)[A-Za-z0-9_-]{16,}/g, HIDDEN],
  // Keys of this gateway that were created at run time: nobody knows them by heart.
  [/(?<![A-Za-z0-9])gw-[0-9a-z]{8}-[A-Za-z0-9_-]{43}/g, HIDDEN],
  // AWS access key ids.
  [/(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])/g, HIDDEN],
  // Google API keys and OAuth tokens.
  [/(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}/g, HIDDEN],
  [/(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_-]{20,}/g, HIDDEN],
  // GitHub, GitLab, Slack, Hugging Face, npm.
  [/(?<![A-Za-z0-9])(?:gh[oprsu]_|github_pat_|glpat-|hf_|npm_)[A-Za-z0-9_-]{20,}/g, HIDDEN],
  [/(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,}/g, HIDDEN],
  // JSON web tokens (RFC 7519).
  [/(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, HIDDEN],
  // Private keys in PEM (RFC 7468), also with their line ends escaped, also cut off.
  [
    /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]|\\[nr/])*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?/g,
    HIDDEN,
  ],
  // RFC 6750. A digit tells a token from "bearer certificates".
  [/\b(bearer\s+)(?=[\w.~+/-]*\d)[\w.~+/-]{8,}=*/gi, `$1${HIDDEN}`],
  // RFC 7617.
  [/\b(authorization\\*["']?\s*:\s*basic\s+)[A-Za-z0-9+/]{6,}=*/gi, `$1${HIDDEN}`],
  // Passwords in URLs.
  [/(:\/\/[^\s:/@"'\\]{0,100}:)[^\s:/@"'\\]{1,200}(?=@)/g, `$1${HIDDEN}`],
  // NAME=value, and members of JSON inside a string, such as a tool call's arguments: never what ends a string here.
  [new RegExp(`(${NAMED}\\s*=\\s*(?:\\\\+"|')?)${VALUE}`, 'gi'), `$1${HIDDEN}`],
  [new RegExp(`(${NAMED}(?:\\\\+"\\s*:\\s*\\\\+"|'\\s*:\\s*'))${VALUE}`, 'gi'), `$1${HIDDEN}`],
];

/** Names of members whose text is a credential, in lower case and without `-` and `_`. */
const names = new Set([
  'apikey',
  'xapikey',
  'authorization',
  'proxyauthorization',
  'password',
  'passwd',
  'secret',
  'secretkey',
  'secretaccesskey',
  'clientsecret',
  'accesstoken',
  'refreshtoken',
  'idtoken',
  'authtoken',
  'bearertoken',
  'sessiontoken',
  'privatekey',
]);

const LONGEST_NAME = 30;

/** Whether a member of this name holds a credential. */
export function isCredentialName(name: string): boolean {
  return name.length <= LONGEST_NAME && names.has(name.replace(/[-_]/g, '').toLowerCase());
}

/** The text without anything that looks like a credential, nor any of `secrets`. */
export function hideCredentials(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of secrets) if (shown.includes(secret)) shown = shown.replaceAll(secret, HIDDEN);
  for (const [pattern, hidden] of patterns) shown = shown.replace(pattern, hidden);
  return shown;
}

package settings

import (
	"net/netip"
	"time"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
)

// Server is everything that a server process is told. Each field is a setting: `setting` names it in the environment and
// the env file, `otherwise` is its default, `min` and `max` its bounds, `form` what it must look like, `need` marks what
// must be there, `secret` what Show hides. Flags have the name of the field. Durations carry their unit: 5s, 10m.
type Server struct {
	House  House
	Shared Shared
	API    API
	Worker Worker
}

// House is what every command needs to reach the house.
type House struct {
	DatabaseURL     string   `name:"database-url" type:"setting" setting:"DATABASE_URL" need:"yes" secret:"within" placeholder:"URL" help:"The ledger's Postgres."`
	TemporalAddress string   `type:"setting" setting:"TEMPORAL_ADDRESS" need:"yes" placeholder:"HOST:PORT" help:"Temporal's gRPC address."`
	Temporal        Temporal `embed:"" group:"Temporal: what TLS and Temporal Cloud need."`
	Network         string   `type:"setting" setting:"HOLDFAST_NETWORK" need:"yes" placeholder:"NAME" help:"mainnet, testnet, testnet4, signet or regtest."`
	PayloadKeys     string   `type:"setting" setting:"HOLDFAST_PAYLOAD_KEYS" form:"payloadkeys" secret:"yes" placeholder:"KEYS" help:"Seal what Temporal stores: id:key pairs, separated by commas, each key 32 bytes in base64. The first seals, all open. Not set: nothing is sealed."`
	Nodes           []string `type:"setting" setting:"HOLDFAST_NODES" need:"yes" placeholder:"NAMES" help:"Our LND nodes, separated by commas; the first one sends and receives. Workers reach each by $$LND_<NAME>_RPC, $$LND_<NAME>_TLS and $$LND_<NAME>_MACAROON."`
}

// Temporal is how Temporal is reached besides its address, by the names that Temporal's own tools have for it.
type Temporal struct {
	Namespace        string `name:"temporal-namespace" type:"setting" setting:"TEMPORAL_NAMESPACE" otherwise:"default" placeholder:"NAME" help:"Temporal's namespace; it must have our search attributes."`
	TLS              bool   `name:"temporal-tls" type:"switch" setting:"TEMPORAL_TLS" help:"TLS by the system's authorities. Not set: on where another setting of TLS or an API key is set."`
	ServerCACertPath string `name:"temporal-tls-server-ca-cert-path" type:"setting" setting:"TEMPORAL_TLS_SERVER_CA_CERT_PATH" placeholder:"FILE" help:"Who signs the server's certificate, PEM. Not set: the system's authorities."`
	ServerName       string `name:"temporal-tls-server-name" type:"setting" setting:"TEMPORAL_TLS_SERVER_NAME" placeholder:"NAME" help:"The name in the server's certificate, where it is not that of the address."`
	ClientCertPath   string `name:"temporal-tls-client-cert-path" type:"setting" setting:"TEMPORAL_TLS_CLIENT_CERT_PATH" placeholder:"FILE" help:"Our certificate for mTLS, PEM."`
	ClientKeyPath    string `name:"temporal-tls-client-key-path" type:"setting" setting:"TEMPORAL_TLS_CLIENT_KEY_PATH" placeholder:"FILE" help:"Its key, PEM."`
	APIKey           string `name:"temporal-api-key" type:"setting" setting:"TEMPORAL_API_KEY" secret:"whole" placeholder:"TEXT" help:"An API key of Temporal Cloud."`
}

// Shared is what api, worker and commands are told alike: what a payment may cost, how keys begin, where traces go.
type Shared struct {
	PaymentWait    time.Duration `type:"setting" setting:"HOLDFAST_PAYMENT_WAIT" otherwise:"5s" min:"100ms" max:"30s" placeholder:"TIME" help:"How long a call waits for more than \"pending\"."`
	FeePPM         int64         `name:"fee-ppm" type:"setting" setting:"HOLDFAST_FEE_PPM" otherwise:"5000" min:"0" max:"100000" placeholder:"N" help:"Lightning fee limit: parts per million of the amount, at least --fee-floor-sat."`
	FeeFloorSat    payment.Sat   `type:"setting" setting:"HOLDFAST_FEE_FLOOR_SAT" otherwise:"10" min:"0" max:"1000000" placeholder:"SAT" help:"Lightning fee limit of small payments, in sat."`
	DustSat        payment.Sat   `type:"setting" setting:"HOLDFAST_DUST_SAT" otherwise:"1000" min:"330" max:"5000" placeholder:"SAT" help:"Smallest on-chain payment, in sat."`
	LockTime       time.Duration `type:"setting" setting:"HOLDFAST_LOCK_TIME" otherwise:"15m" min:"1s" max:"168h" placeholder:"TIME" help:"When a budget lock that was never recorded is released."`
	SecretPrefix   string        `type:"setting" setting:"HOLDFAST_SECRET_PREFIX" otherwise:"holdfast" form:"prefix" placeholder:"TEXT" help:"What the secrets of API keys begin with."`
	CallbackSecret string        `type:"setting" setting:"HOLDFAST_CALLBACK_SECRET" form:"token" secret:"whole" placeholder:"TEXT" help:"What the secrets of callback endpoints are derived from: at least 20 characters, the same for api and worker. Not set: no endpoints can be added."`
	OTLPEndpoint   string        `name:"otlp-endpoint" type:"setting" setting:"HOLDFAST_OTLP_ENDPOINT" form:"url" secret:"within" placeholder:"URL" help:"Where traces go by OTLP/gRPC, like http://127.0.0.1:4317. Not set: traces are off."`
}

// API is what `holdfast api` is told.
type API struct {
	HTTP        string `name:"http" type:"setting" setting:"HOLDFAST_HTTP" otherwise:"127.0.0.1:8080" form:"address" placeholder:"HOST:PORT" help:"Where GraphQL, health and the playground are served."`
	GRPC        string `name:"grpc" type:"setting" setting:"HOLDFAST_GRPC" form:"address" placeholder:"HOST:PORT" help:"Where gRPC is served. Not set: nowhere."`
	Metrics     string `type:"setting" setting:"HOLDFAST_METRICS" form:"address" placeholder:"HOST:PORT" help:"Where /metrics is served, and /healthz and /readyz for probes. Not set: nowhere."`
	Development bool   `type:"switch" setting:"HOLDFAST_DEVELOPMENT" otherwise:"false" help:"Anybody may log in, with a playground, introspection, gRPC reflection and gRPC without TLS. Never on mainnet."`

	JWTIssuer          string   `name:"jwt-issuer" type:"setting" setting:"HOLDFAST_JWT_ISSUER" placeholder:"NAME" help:"The claim iss that a JWT must have."`
	JWTAudience        string   `name:"jwt-audience" type:"setting" setting:"HOLDFAST_JWT_AUDIENCE" placeholder:"NAME" help:"The claim aud that a JWT must have."`
	JWKSURL            string   `name:"jwks-url" type:"setting" setting:"HOLDFAST_JWKS_URL" form:"url" secret:"within" placeholder:"URL" help:"The issuer's keys. Not set: there are no sessions but those of the development login."`
	JWKSInsecure       bool     `name:"jwks-insecure" type:"switch" setting:"HOLDFAST_JWKS_INSECURE" otherwise:"false" help:"HOLDFAST_JWKS_URL may be http:// on another machine. Only where nobody else can answer there: whoever does can log in as anybody."`
	JWTAlgorithms      []string `name:"jwt-algorithms" type:"setting" setting:"HOLDFAST_JWT_ALGORITHMS" otherwise:"RS256,ES256,EdDSA" placeholder:"NAMES" help:"The signatures that are accepted, separated by commas."`
	NodeIDs            []string `name:"node-ids" type:"setting" setting:"HOLDFAST_NODE_IDS" placeholder:"PUBKEYS" help:"Public keys of our lightning nodes, for clients to show."`
	LightningDomain    string   `type:"setting" setting:"HOLDFAST_LIGHTNING_DOMAIN" placeholder:"NAME" help:"What is behind the @ of our users' lightning addresses."`
	DevelopmentKeyFile string   `type:"setting" setting:"HOLDFAST_DEVELOPMENT_KEY_FILE" otherwise:".devnet/development.key" placeholder:"FILE" help:"The development issuer's key; made if it is missing."`

	GRPCTLSCert string `name:"grpc-tls-cert" type:"setting" setting:"HOLDFAST_GRPC_TLS_CERT" placeholder:"FILE" help:"Certificate of the gRPC listener, PEM."`
	GRPCTLSKey  string `name:"grpc-tls-key" type:"setting" setting:"HOLDFAST_GRPC_TLS_KEY" placeholder:"FILE" help:"Its key, PEM."`
	GRPCToken   string `name:"grpc-token" type:"setting" setting:"HOLDFAST_GRPC_TOKEN" form:"token" secret:"whole" placeholder:"TEXT" help:"What callers of gRPC present: at least 20 characters."`

	Origins        []string       `name:"cors-origins" type:"setting" setting:"HOLDFAST_CORS_ORIGINS" form:"origins" placeholder:"URLS" help:"Web origins that browsers may call from, separated by commas. Not set: none."`
	TrustedProxies []netip.Prefix `type:"setting" setting:"HOLDFAST_TRUSTED_PROXIES" placeholder:"CIDRS" help:"Networks of proxies whose X-Forwarded-For is believed, separated by commas. Not set: none."`

	Limits  Limits  `embed:""`
	Sockets Sockets `embed:""`
	Rates   Rates   `embed:"" group:"Rate limits, per process: \"N per TIME, burst N\", or off."`
}

// Limits bound what one client may take.
type Limits struct {
	MaxBodyBytes            int64         `type:"setting" setting:"HOLDFAST_MAX_BODY_BYTES" otherwise:"262144" min:"1024" max:"16777216" placeholder:"BYTES" help:"The largest body of a request, in bytes."`
	MaxConnections          int64         `type:"setting" setting:"HOLDFAST_MAX_CONNECTIONS" otherwise:"4096" min:"16" max:"1000000" placeholder:"N" help:"Open HTTP connections; more wait."`
	MaxGRPCConnections      int64         `name:"max-grpc-connections" type:"setting" setting:"HOLDFAST_MAX_GRPC_CONNECTIONS" otherwise:"1024" min:"16" max:"1000000" placeholder:"N" help:"Open gRPC connections; more wait."`
	MaxConnectionsPerClient int64         `type:"setting" setting:"HOLDFAST_MAX_CONNECTIONS_PER_CLIENT" otherwise:"256" min:"1" max:"1000000" placeholder:"N" help:"Of those, connections of one client address, per listener; more are closed. At most half of all. Trusted proxies are exempt."`
	HeaderTimeout           time.Duration `type:"setting" setting:"HOLDFAST_HEADER_TIMEOUT" otherwise:"5s" min:"100ms" max:"1m" placeholder:"TIME" help:"For a client to send the headers."`
	ReadTimeout             time.Duration `type:"setting" setting:"HOLDFAST_READ_TIMEOUT" otherwise:"10s" min:"100ms" max:"5m" placeholder:"TIME" help:"For a client to send headers and body."`
	WriteTimeout            time.Duration `type:"setting" setting:"HOLDFAST_WRITE_TIMEOUT" otherwise:"60s" min:"1s" max:"10m" placeholder:"TIME" help:"For the answer to be sent; longer than --payment-wait."`
	IdleTimeout             time.Duration `type:"setting" setting:"HOLDFAST_IDLE_TIMEOUT" otherwise:"30s" min:"1s" max:"1h" placeholder:"TIME" help:"Between two requests of a connection."`
	DrainTimeout            time.Duration `type:"setting" setting:"HOLDFAST_DRAIN_TIMEOUT" otherwise:"15s" min:"0s" max:"10m" placeholder:"TIME" help:"For requests that run when the process stops."`
}

// Rates are the rate limits, by class and subject.
type Rates struct {
	RatePayments          limit.Rate `type:"setting" setting:"HOLDFAST_RATE_PAYMENTS" otherwise:"600 per 1m, burst 100" placeholder:"RATE" help:"Payments, fee probes and fee estimates per account."`
	RatePaymentsPerKey    limit.Rate `type:"setting" setting:"HOLDFAST_RATE_PAYMENTS_PER_KEY" otherwise:"300 per 1m, burst 50" placeholder:"RATE" help:"The same per API key."`
	RateInvoices          limit.Rate `type:"setting" setting:"HOLDFAST_RATE_INVOICES" otherwise:"600 per 1m, burst 100" placeholder:"RATE" help:"Invoices per account."`
	RateInvoicesPerKey    limit.Rate `type:"setting" setting:"HOLDFAST_RATE_INVOICES_PER_KEY" otherwise:"300 per 1m, burst 50" placeholder:"RATE" help:"The same per API key."`
	RateInvoicesForOthers limit.Rate `type:"setting" setting:"HOLDFAST_RATE_INVOICES_FOR_OTHERS" otherwise:"30 per 1m, burst 10" placeholder:"RATE" help:"Invoices asked for without credentials, for a recipient, per client address."`
	RateAddresses         limit.Rate `type:"setting" setting:"HOLDFAST_RATE_ADDRESSES" otherwise:"120 per 1m, burst 60" placeholder:"RATE" help:"On-chain addresses per account."`
	RateAddressesPerKey   limit.Rate `type:"setting" setting:"HOLDFAST_RATE_ADDRESSES_PER_KEY" otherwise:"60 per 1m, burst 30" placeholder:"RATE" help:"The same per API key."`
	RateAccount           limit.Rate `type:"setting" setting:"HOLDFAST_RATE_ACCOUNT" otherwise:"300 per 1m, burst 150" placeholder:"RATE" help:"Changes to an account and its API keys, and canceling invoices, per account."`
	RateAccountPerKey     limit.Rate `type:"setting" setting:"HOLDFAST_RATE_ACCOUNT_PER_KEY" otherwise:"150 per 1m, burst 75" placeholder:"RATE" help:"The same per API key."`
	RateLogins            limit.Rate `type:"setting" setting:"HOLDFAST_RATE_LOGINS" otherwise:"120 per 1m, burst 60" placeholder:"RATE" help:"Development logins per client address."`
	RateAnonymous         limit.Rate `type:"setting" setting:"HOLDFAST_RATE_ANONYMOUS" otherwise:"300 per 1m, burst 100" placeholder:"RATE" help:"Calls without credentials per client address."`
	RateBadCredentials    limit.Rate `type:"setting" setting:"HOLDFAST_RATE_BAD_CREDENTIALS" otherwise:"60 per 1m, burst 30" placeholder:"RATE" help:"Calls whose credentials prove nothing, per client address."`
	RateReads             limit.Rate `type:"setting" setting:"HOLDFAST_RATE_READS" otherwise:"off" placeholder:"RATE" help:"Reads per account."`
}

// Limiter is the same for api/limit.
func (r Rates) Limiter() limit.Rates {
	return limit.Rates{
		limit.Payments:    {Account: r.RatePayments, Key: r.RatePaymentsPerKey},
		limit.Invoices:    {Account: r.RateInvoices, Key: r.RateInvoicesPerKey, Address: r.RateInvoicesForOthers},
		limit.Addresses:   {Account: r.RateAddresses, Key: r.RateAddressesPerKey},
		limit.Accounts:    {Account: r.RateAccount, Key: r.RateAccountPerKey},
		limit.Logins:      {Address: r.RateLogins},
		limit.Anonymous:   {Address: r.RateAnonymous},
		limit.Credentials: {Address: r.RateBadCredentials},
		limit.Reads:       {Account: r.RateReads},
	}
}

// Worker is what `holdfast worker` is told.
type Worker struct {
	Metrics         string `type:"setting" setting:"HOLDFAST_METRICS_WORKER" form:"address" placeholder:"HOST:PORT" help:"Where /metrics is served. Not set: nowhere."`
	Development     bool   `type:"switch" setting:"HOLDFAST_DEVELOPMENT" otherwise:"false" help:"Callbacks may go to http:// and to this machine and its network. Never on mainnet."`
	Depth           int64  `type:"setting" setting:"HOLDFAST_CONFIRMATIONS" min:"1" max:"1000" placeholder:"N" help:"Confirmations that make a transaction final. Not set: 1 on regtest, 3 elsewhere."`
	BuildID         string `name:"build-id" type:"setting" setting:"HOLDFAST_BUILD_ID" form:"build" placeholder:"ID" help:"Which build this is, in a fleet that has several: it gets new work once it is promoted. Not set: there is one."`
	MaxFeeRateSatVB int64  `name:"max-fee-rate" type:"setting" setting:"HOLDFAST_MAX_FEE_RATE_SAT_VB" otherwise:"500" min:"1" max:"100000" placeholder:"N" help:"The most that a fee bump or a rescue may pay, in sat/vB."`
}

// Codec is what `holdfast codec` is told.
type Codec struct {
	Listen  string   `name:"listen" type:"setting" setting:"HOLDFAST_CODEC" otherwise:"127.0.0.1:8083" form:"address" placeholder:"HOST:PORT" help:"Where POST /decode is served. It asks nobody who he is: for others than this machine put a proxy in front that does."`
	Origins []string `name:"ui-origins" type:"setting" setting:"HOLDFAST_CODEC_ORIGINS" form:"origins" placeholder:"URLS" help:"Web origins of the Temporal UI, separated by commas. Not set: no browser may ask."`
}

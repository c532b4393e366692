package settings_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/payment"
)

// enough is what a production api needs to start.
func enough() map[string]string {
	return map[string]string{
		"DATABASE_URL":     "postgres://holdfast:pa55word@db:5432/ledger?sslmode=verify-full&sslpassword=5ecret",
		"TEMPORAL_ADDRESS": "temporal:7233", "HOLDFAST_NETWORK": "signet", "HOLDFAST_NODES": "bank,second",
	}
}

func with(more map[string]string) settings.Settings {
	all := enough()
	maps.Copy(all, more)
	return settings.New(settings.From(nil), settings.From(all))
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := with(nil).ForAPI()
	if err != nil {
		t.Fatal(err)
	}
	want := limit.Rate{Count: 600, Per: time.Minute, Burst: 100}
	if got.API.HTTP != "127.0.0.1:8080" || got.API.GRPC != "" || got.API.Metrics != "" || got.API.Development || got.Shared.PaymentWait != 5*time.Second ||
		got.Shared.DustSat != 1000 || got.API.Rates.RatePayments != want || !got.API.Rates.RateReads.Off() || got.API.Origins != nil ||
		got.Shared.OTLPEndpoint != "" || !slices.Equal(got.House.Nodes, []string{"bank", "second"}) {
		t.Errorf("got %+v", got)
	}
	if l := got.API.Sockets; l.MaxSocketsPerClient != 32 || l.MaxSocketsPerAccount != 32 || l.MaxOperationsPerSocket != 20 || l.MaxMessageBytes != 64<<10 ||
		l.SocketIdleTimeout != 5*time.Minute || l.SocketAnonymousIdleTimeout != 30*time.Second {
		t.Errorf("of WebSockets: %+v", l)
	}
	if l := got.API.Limits; l.MaxConnectionsPerClient != 256 || l.MaxGRPCConnections != 1024 || l.IdleTimeout != 30*time.Second {
		t.Errorf("the limits: %+v", l)
	}
	if rates := got.API.Rates.Limiter(); rates[limit.Payments].Account != want || rates[limit.Logins].Address.Off() || rates[limit.Credentials].Address.Off() ||
		rates[limit.Invoices].Address != (limit.Rate{Count: 30, Per: time.Minute, Burst: 10}) {
		t.Errorf("the limiter's rates: %+v", rates)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	got, err := with(map[string]string{
		"HOLDFAST_HTTP": "http://127.0.0.1:12000", "HOLDFAST_METRICS": "http://127.0.0.1:12002/", "HOLDFAST_GRPC": "off",
		"HOLDFAST_DEVELOPMENT": "true", "HOLDFAST_CORS_ORIGINS": "https://a.example, http://localhost:3000",
		"HOLDFAST_TRUSTED_PROXIES": "10.1.2.3/8, fd00::/8", "HOLDFAST_LOCK_TIME": "90s", "HOLDFAST_FEE_FLOOR_SAT": "0",
		"HOLDFAST_RATE_PAYMENTS": "5 per 1h", "HOLDFAST_RATE_LOGINS": "off", "HOLDFAST_JWT_ALGORITHMS": "ES384",
	}).ForAPI()
	if err != nil {
		t.Fatal(err)
	}
	a := got.API
	if a.HTTP != "127.0.0.1:12000" || a.Metrics != "127.0.0.1:12002" || a.GRPC != "" || !a.Development || got.Shared.LockTime != 90*time.Second ||
		!slices.Equal(a.Origins, []string{"https://a.example", "http://localhost:3000"}) || got.Shared.FeeFloorSat != 0 ||
		!slices.Equal(a.TrustedProxies, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}) ||
		a.Rates.RatePayments.Burst != 5 || !a.Rates.RateLogins.Off() || a.JWTAlgorithms[0] != "ES384" {
		t.Errorf("got %+v", got)
	}
}

// The issuer's keys may come over http:// from this machine, where that is allowed, and in development.
func TestKeysInTheClear(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]map[string]string{
		"https": {"HOLDFAST_JWKS_URL": "https://id.example/keys"}, "loopback": {"HOLDFAST_JWKS_URL": "http://127.0.0.1:4456/keys"},
		"IPv6": {"HOLDFAST_JWKS_URL": "http://[::1]:4456/keys"}, "localhost": {"HOLDFAST_JWKS_URL": "http://localhost/keys"},
		"allowed":     {"HOLDFAST_JWKS_URL": "http://id/keys", "HOLDFAST_JWKS_INSECURE": "true"},
		"development": {"HOLDFAST_JWKS_URL": "http://id/keys", "HOLDFAST_DEVELOPMENT": "true"},
	} {
		more["HOLDFAST_JWT_ISSUER"], more["HOLDFAST_JWT_AUDIENCE"] = "id", "us"
		if _, err := with(more).ForAPI(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each mistake alone is one line that names the setting, the flag, and what to do.
func TestMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set   map[string]string
		parts []string
	}{
		"missing":         {map[string]string{"DATABASE_URL": ""}, []string{"DATABASE_URL", "--database-url", "make dev"}},
		"network":         {map[string]string{"HOLDFAST_NETWORK": "moon"}, []string{"HOLDFAST_NETWORK (--network)", `"moon"`, "signet"}},
		"nodes":           {map[string]string{"HOLDFAST_NODES": "a,a"}, []string{"HOLDFAST_NODES (--nodes)", "different names"}},
		"address":         {map[string]string{"HOLDFAST_HTTP": "8080"}, []string{"HOLDFAST_HTTP (--http)", "host:port"}},
		"port":            {map[string]string{"HOLDFAST_METRICS": "a:70000"}, []string{"HOLDFAST_METRICS (--metrics)", "host:port"}},
		"http off":        {map[string]string{"HOLDFAST_HTTP": "off"}, []string{"HOLDFAST_HTTP (--http)", "nothing would be served"}},
		"one port twice":  {map[string]string{"HOLDFAST_METRICS": "127.0.0.1:8080"}, []string{"HOLDFAST_METRICS (--metrics)", "another port"}},
		"time":            {map[string]string{"HOLDFAST_READ_TIMEOUT": "10"}, []string{"HOLDFAST_READ_TIMEOUT (--read-timeout)", "unit", "100ms to 5m"}},
		"time too long":   {map[string]string{"HOLDFAST_PAYMENT_WAIT": "1h"}, []string{"HOLDFAST_PAYMENT_WAIT (--payment-wait)", "100ms to 30s"}},
		"write too short": {map[string]string{"HOLDFAST_WRITE_TIMEOUT": "5s"}, []string{"HOLDFAST_WRITE_TIMEOUT (--write-timeout)", "longer"}},
		"number":          {map[string]string{"HOLDFAST_MAX_BODY_BYTES": "1e6"}, []string{"--max-body-bytes", "whole number from 1024 to 16777216"}},
		"sockets":         {map[string]string{"HOLDFAST_MAX_SOCKETS_PER_ACCOUNT": "0"}, []string{"--max-sockets-per-account", "1 to 100000"}},
		"ping":            {map[string]string{"HOLDFAST_SOCKET_PING_EVERY": "20"}, []string{"--socket-ping-every", "unit", "1s to 10m"}},
		"sat":             {map[string]string{"HOLDFAST_DUST_SAT": "5001"}, []string{"--dust-sat", "330 to 5000"}},
		"rate":            {map[string]string{"HOLDFAST_RATE_LOGINS": "many"}, []string{"--rate-logins", "120 per 1m, burst 40"}},
		"switch":          {map[string]string{"HOLDFAST_DEVELOPMENT": "perhaps"}, []string{"--development", "true or false"}},
		"mainnet":         {map[string]string{"HOLDFAST_DEVELOPMENT": "1", "HOLDFAST_NETWORK": "mainnet"}, []string{"--development", "anybody could log in"}},
		"url":             {map[string]string{"HOLDFAST_OTLP_ENDPOINT": "localhost:4317"}, []string{"--otlp-endpoint", "http://"}},
		"origin":          {map[string]string{"HOLDFAST_CORS_ORIGINS": "https://a.example/path"}, []string{"--cors-origins", "without a path"}},
		"any origin":      {map[string]string{"HOLDFAST_CORS_ORIGINS": "*"}, []string{"--cors-origins", "https://wallet.example"}},
		"proxies":         {map[string]string{"HOLDFAST_TRUSTED_PROXIES": "10.0.0.1"}, []string{"--trusted-proxies", "10.0.0.0/8"}},
		"prefix":          {map[string]string{"HOLDFAST_SECRET_PREFIX": "a_b"}, []string{"--secret-prefix", "16 letters"}},
		"algorithm none":  {map[string]string{"HOLDFAST_JWT_ALGORITHMS": "none"}, []string{"--jwt-algorithms", "ES256"}},
		"shared secret":   {map[string]string{"HOLDFAST_JWT_ALGORITHMS": "RS256,HS256"}, []string{"--jwt-algorithms", "ES256"}},
		"no issuer":       {map[string]string{"HOLDFAST_JWKS_URL": "https://id.example/keys", "HOLDFAST_JWT_AUDIENCE": "us"}, []string{"HOLDFAST_JWT_ISSUER (--jwt-issuer)"}},
		"no audience":     {map[string]string{"HOLDFAST_JWKS_URL": "https://id.example/keys", "HOLDFAST_JWT_ISSUER": "id"}, []string{"HOLDFAST_JWT_AUDIENCE (--jwt-audience)"}},
		"keys in the clear": {map[string]string{"HOLDFAST_JWKS_URL": "http://id.example/keys", "HOLDFAST_JWT_ISSUER": "id", "HOLDFAST_JWT_AUDIENCE": "us"},
			[]string{"HOLDFAST_JWKS_URL (--jwks-url)", "https://", "HOLDFAST_JWKS_INSECURE=true"}},
		"no keys":               {map[string]string{"HOLDFAST_JWT_ISSUER": "id"}, []string{"HOLDFAST_JWKS_URL (--jwks-url)"}},
		"no grpc token":         {map[string]string{"HOLDFAST_GRPC": ":1", "HOLDFAST_DEVELOPMENT": "true"}, []string{"HOLDFAST_GRPC_TOKEN (--grpc-token)"}},
		"short token":           {map[string]string{"HOLDFAST_GRPC_TOKEN": "5ecret"}, []string{"--grpc-token", "20 characters", "(hidden)"}},
		"short callback secret": {map[string]string{"HOLDFAST_CALLBACK_SECRET": "5ecret"}, []string{"HOLDFAST_CALLBACK_SECRET (--callback-secret)", "20 characters", "(hidden)"}},
		"no grpc tls":           {map[string]string{"HOLDFAST_GRPC": ":1", "HOLDFAST_GRPC_TOKEN": strings.Repeat("x", 20)}, []string{"HOLDFAST_GRPC_TLS_CERT (--grpc-tls-cert)"}},
		"half of tls":           {map[string]string{"HOLDFAST_GRPC_TLS_KEY": "/key"}, []string{"--grpc-tls-cert", "--grpc-tls-key", "both"}},
	} {
		_, err := with(c.set).ForAPI()
		if !payment.IsReason(err, payment.ReasonInvalidInput) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "5ecret") {
			t.Errorf("%s: got %v, want one line", name, err)
			continue
		}
		for _, part := range c.parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v does not say %q", name, err, part)
			}
		}
	}
}

// Invariant 2: all at once.
func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	s := settings.New(settings.From(map[string]string{
		"HOLDFAST_HTTP": "x", "HOLDFAST_DUST_SAT": "-1", "HOLDFAST_RATE_READS": "x", "HOLDFAST_NETWORK": "moon", "HOLDFAST_GRPC": ":1",
	}))
	_, err := s.ForAPI()
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, name := range []string{"DATABASE_URL", "TEMPORAL_ADDRESS", "HOLDFAST_NODES", "HOLDFAST_HTTP", "HOLDFAST_DUST_SAT", "HOLDFAST_RATE_READS",
		"HOLDFAST_NETWORK", "HOLDFAST_GRPC_TOKEN", "HOLDFAST_GRPC_TLS_CERT"} {
		if n := len(regexp.MustCompile(`(?m)^  `+name+` `).FindAllString(err.Error(), -1)); n != 1 {
			t.Errorf("%s is named in %d lines of\n%v", name, n, err)
		}
	}
	_, err = settings.New(settings.From(map[string]string{
		"HOLDFAST_NETWORK": "regtest", "HOLDFAST_NODES": "bank,b-2", "LND_BANK_RPC": "a:1", "HOLDFAST_CONFIRMATIONS": "0",
	})).ForWorker()
	for _, name := range []string{"DATABASE_URL", "LND_BANK_TLS", "LND_BANK_MACAROON", "LND_B_2_RPC", "HOLDFAST_CONFIRMATIONS (--depth)"} {
		if err == nil || !strings.Contains(err.Error(), "  "+name) {
			t.Errorf("the worker's mistakes do not name %s: %v", name, err)
		}
	}
}

// A worker in development calls what is inside its network: never where money is real.
func TestAWorkerInDevelopment(t *testing.T) {
	t.Parallel()
	node := map[string]string{
		"HOLDFAST_NODES": "bank", "LND_BANK_RPC": "a:1", "LND_BANK_TLS": "x", "LND_BANK_MACAROON": "x", "HOLDFAST_DEVELOPMENT": "true",
		"HOLDFAST_CALLBACK_SECRET": "secret-of-twenty-and-more",
	}
	if got, err := with(node).ForWorker(); err != nil || !got.Worker.Development || got.Shared.CallbackSecret != "secret-of-twenty-and-more" {
		t.Errorf("%+v, %v", got.Worker, err)
	}
	node["HOLDFAST_NETWORK"] = "mainnet"
	if _, err := with(node).ForWorker(); err == nil || !strings.Contains(err.Error(), "HOLDFAST_DEVELOPMENT (--development)") {
		t.Errorf("on mainnet: %v", err)
	}
}

// Invariant 3: nothing that Show prints is a secret; where each value comes from is said.
func TestShow(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("in-the-file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := settings.New(settings.From(map[string]string{"HOLDFAST_HTTP": ":1"}),
		settings.From(map[string]string{
			"DATABASE_URL": enough()["DATABASE_URL"], "HOLDFAST_GRPC_TOKEN": "t0ken-of-twenty-and-more", "HOLDFAST_GRPC_TLS_KEY": key,
			"HOLDFAST_JWKS_URL": "https://me:pa55word@id.example/keys?api_token=t0ken&v=1",
		}),
		settings.From(map[string]string{"HOLDFAST_LOCK_TIME": "1h", "HOLDFAST_HTTP": ":2", "LND_BANK_MACAROON": key}))
	shown := append(s.Show(&settings.House{}, &settings.Shared{}, &settings.API{}), s.ShowNodes([]string{"bank"})...)
	text, err := json.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"pa55word", "5ecret", "t0ken", "in-the-file"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is shown: %s", secret, text)
		}
	}
	by := map[string]settings.Shown{}
	for _, one := range shown {
		by[one.Name] = one
	}
	for name, want := range map[string][2]string{
		"HOLDFAST_HTTP": {":1", "flag"}, "HOLDFAST_GRPC_TOKEN": {"(hidden)", "environment"}, "HOLDFAST_LOCK_TIME": {"1h", "file"},
		"HOLDFAST_DUST_SAT": {"1000", "default"}, "HOLDFAST_GRPC": {"", "not set"}, "LND_BANK_MACAROON": {key, "file"}, "LND_BANK_RPC": {"", "not set"},
		"DATABASE_URL":      {"postgres://holdfast:xxxxx@db:5432/ledger?sslmode=verify-full&sslpassword=xxxxx", "environment"},
		"HOLDFAST_JWKS_URL": {"https://me:xxxxx@id.example/keys?api_token=xxxxx&v=1", "environment"},
	} {
		if got := by[name]; got.Value != want[0] || string(got.Source) != want[1] {
			t.Errorf("%s: got %+v, want %v", name, got, want)
		}
	}
	words := settings.New(settings.From(map[string]string{"DATABASE_URL": "host=db user=holdfast password=pa55word"}))
	if got := words.Show(&settings.House{})[0]; got.Value != "(hidden)" {
		t.Errorf("a connection string of words: %+v", got)
	}
}

// The names of the flags that messages and Show give are those that kong knows, and no two settings share one.
func TestFlagsAreKongs(t *testing.T) {
	t.Parallel()
	type api struct {
		settings.House
		settings.Shared
		settings.API
	}
	type worker struct {
		settings.House
		settings.Shared
		settings.Worker
	}
	s := settings.New()
	for _, c := range []struct {
		command any
		shown   []settings.Shown
	}{
		{&api{}, s.Show(&settings.House{}, &settings.Shared{}, &settings.API{})},
		{&worker{}, s.Show(&settings.House{}, &settings.Shared{}, &settings.Worker{})},
	} {
		flags := settings.Flags{}
		parser, err := kong.New(c.command, flags.Options()...)
		if err != nil {
			t.Fatal(err)
		}
		var args []string
		for _, one := range c.shown {
			args = append(args, "--"+one.Flag+"=given by "+one.Flag)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Fatal(err)
		}
		for _, one := range c.shown {
			if flags[one.Name] != "given by "+one.Flag {
				t.Errorf("%s is not set by --%s: %q", one.Name, one.Flag, flags[one.Name])
			}
		}
		if len(flags) != len(c.shown) {
			t.Errorf("%d flags for %d settings", len(flags), len(c.shown))
		}
	}
	flags := settings.Flags{}
	parser, err := kong.New(&api{}, flags.Options()...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"--development", "--http", ":1"}); err != nil || flags["HOLDFAST_DEVELOPMENT"] != "true" || flags["HOLDFAST_HTTP"] != ":1" {
		t.Errorf("a switch without a value: %v, %v", flags, err)
	}
}

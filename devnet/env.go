package devnet

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

const btcdUser = "holdfast"

// makeEnv lists every address, path and credential of the network by the names
// that .devnet/env documents. HOLDFAST_* are addresses for the product to listen on.
func makeEnv(cfg *Config, p ports, s state, databaseURL string) map[string]string {
	env := map[string]string{
		"HOLDFAST_HTTP":      "http://" + p.address(portHTTP),
		"HOLDFAST_GRPC":      p.address(portGRPC),
		"HOLDFAST_METRICS":   "http://" + p.address(portMetrics),
		"HOLDFAST_DASHBOARD": "http://" + p.address(portDashboard),
		"HOLDFAST_NODES":     "bank",
		"HOLDFAST_NETWORK":   "regtest",
		// What the product's server processes need beside addresses. Logins are open: this is a private network.
		"HOLDFAST_DEVELOPMENT":          "true",
		"HOLDFAST_DEVELOPMENT_KEY_FILE": cfg.path("development.key"),
		"HOLDFAST_SECRET_PREFIX":        "dev",
		"HOLDFAST_GRPC_TOKEN":           s.GRPCToken,
		"HOLDFAST_CALLBACK_SECRET":      s.CallbackSecret,
		"HOLDFAST_METRICS_WORKER":       "http://" + p.address(portMetricsWorker),
		"DATABASE_URL":                  databaseURL,
		"TEMPORAL_ADDRESS":              p.address(portTemporal),
		"TEMPORAL_UI":                   "http://" + p.address(portTemporalUI),
		"BTCD_RPC":                      p.address(portBtcd),
		"BTCD_RPC_USER":                 btcdUser,
		"BTCD_RPC_PASS":                 s.BtcdPassword,
		"BTCD_RPC_CERT":                 cfg.path("btcd", "rpc.cert"),
	}
	for i, name := range NodeNames() {
		prefix := "LND_" + strings.ToUpper(name)
		env[prefix+"_RPC"] = p.address(portLnd + 2*i)
		env[prefix+"_TLS"] = cfg.path("lnd", name, "tls.cert")
		env[prefix+"_MACAROON"] = cfg.path("lnd", name, "data", "chain", "bitcoin", "regtest", "admin.macaroon")
	}
	return env
}

var plainValue = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]*$`)

// writeEnv writes KEY=VALUE lines that a shell can source; values are quoted only if they must be.
func writeEnv(path string, env map[string]string) error {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(env)) {
		value := env[key]
		if !plainValue.MatchString(value) {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		fmt.Fprintf(&text, "%s=%s\n", key, value)
	}
	return writeFile(path, []byte(text.String()))
}

// ReadEnv reads a file that a network has written.
func ReadEnv(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	env := map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			continue
		}
		if quoted, ok := strings.CutPrefix(value, "'"); ok {
			value = strings.ReplaceAll(strings.TrimSuffix(quoted, "'"), `'\''`, "'")
		}
		env[key] = value
	}
	return env, lines.Err()
}

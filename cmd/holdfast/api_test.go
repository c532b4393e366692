package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
)

// servesAPI: the network's API is ready, logs a developer in, knows the token, counts, and comes back after a kill.
func (n *network) servesAPI() {
	env, err := settings.ReadEnvFile(filepath.Join(n.dir, "env"))
	if err != nil {
		n.t.Fatal(err)
	}
	base := env["HOLDFAST_HTTP"]
	var health api.Health
	if text := n.fetch(base + "/readyz"); json.Unmarshal([]byte(text), &health) != nil || health.Status != "ready" || len(health.Dependencies) != 3 {
		n.t.Errorf("readyz: %s", text)
	}
	token := strings.TrimSpace(holdfast(n.t, nil, "devnet", "--dir", n.dir, "login").out)
	if me := n.query(base, token); !strings.Contains(me, `"+16505554321"`) {
		n.t.Errorf("me: %s", me)
	}
	if nobody := n.query(base, token+"x"); !strings.Contains(nobody, `{"error":{"code":401,`) {
		n.t.Errorf("a bad token: %s", nobody)
	}
	if keys := n.fetch(base + "/.well-known/jwks.json"); !strings.Contains(keys, `"kid"`) {
		n.t.Errorf("the issuer's keys: %s", keys)
	}
	for _, at := range []string{"HOLDFAST_METRICS", "HOLDFAST_METRICS_WORKER"} {
		if text := n.fetch(env[at] + "/metrics"); !strings.Contains(text, "\nholdfast_ledger_up 1\n") || !strings.Contains(text, "\nholdfast_build_info{") {
			n.t.Errorf("%s: %s", at, text)
		}
	}
	n.outside("kill", "api")
	if got := holdfast(n.t, nil, "devnet", "--dir", n.dir, "login"); got.code != show.Away || !strings.Contains(got.err, "does not answer") {
		n.t.Errorf("login without an API: code %d, %s", got.code, got.err)
	}
	n.outside("start", "api")
	if me := n.query(base, token); !strings.Contains(me, `"+16505554321"`) {
		n.t.Errorf("after the restart the token is not known: %s", me)
	}
}

func (n *network) fetch(url string) string {
	n.t.Helper()
	res, err := http.Get(url)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return string(text)
}

func (n *network) query(base, token string) string {
	n.t.Helper()
	req, err := http.NewRequest(http.MethodPost, base+"/graphql", bytes.NewReader([]byte(`{"query":"{ me { phone } }"}`)))
	if err != nil {
		n.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return string(text)
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/payment"
)

// developmentCode is the code of every phone in development (docs/api.md, "The first ten minutes").
const developmentCode = "000000"

type devnetLogin struct {
	Phone string `default:"+16505554321" placeholder:"NUMBER" help:"Whose account: the first login opens it, with a BTC and a USD wallet."`
}

// Run prints a token for Authorization: Bearer, and nothing else, so that a script can take it.
func (c *devnetLogin) Run(ctx context.Context, d *deps, parent *devnetCommands) error {
	env, err := settings.ReadEnvFile(filepath.Join(parent.Dir, "env"))
	if err != nil {
		return networkAway(err)
	}
	token, err := login(ctx, env["HOLDFAST_HTTP"], c.Phone)
	if err != nil {
		return err
	}
	return d.print.Stream(map[string]string{"phone": c.Phone, "token": token}, token)
}

// login asks the development login of the API that runs.
func login(ctx context.Context, base, phone string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]any{
		"query":     "mutation($input: UserLoginInput!) { userLogin(input: $input) { authToken errors { message } } }",
		"variables": map[string]any{"input": map[string]string{"phone": phone, "code": developmentCode}},
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/graphql", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", payment.Errorf(payment.ReasonUnavailable, "The API at %s does not answer. Look at `holdfast devnet ps`.", base).Because(err)
	}
	defer res.Body.Close()
	return tokenOf(res)
}

func tokenOf(res *http.Response) (string, error) {
	type message struct{ Message string }
	var answer struct {
		Data struct {
			UserLogin struct {
				AuthToken string
				Errors    []message
			}
		}
		Errors []message
		Error  message // of the frame
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return "", payment.Errorf(payment.ReasonUnavailable, "The API answered %s, which is no answer of ours.", res.Status).Because(err)
	}
	if token := answer.Data.UserLogin.AuthToken; token != "" {
		return token, nil
	}
	why := fmt.Sprintf("status %s", res.Status)
	for _, m := range append(append(answer.Errors, answer.Data.UserLogin.Errors...), answer.Error) {
		if m.Message != "" {
			why = m.Message
			break
		}
	}
	return "", payment.Errorf(payment.ReasonInvalidInput, "No token: %s", why)
}

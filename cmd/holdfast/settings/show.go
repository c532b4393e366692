package settings

import (
	"net/url"
	"reflect"
	"strings"
)

// hidden stands for a secret that is set.
const hidden = "(hidden)"

// Shown is one setting as it is in force, for people. Secrets are hidden.
type Shown struct {
	Name   string `json:"name"` // in the environment and the env file
	Flag   string `json:"flag,omitempty"`
	Value  string `json:"value"`
	Source Origin `json:"source"`
}

// Show lists what is in force for the parts of a Server that are given as pointers, in their order.
func (s Settings) Show(parts ...any) []Shown {
	var all []Shown
	for _, part := range parts {
		for _, f := range fieldsOf(reflect.ValueOf(part).Elem()) {
			text, origin, found := s.find(f.name)
			if otherwise := f.tag.Get("otherwise"); !found && otherwise != "" {
				text, origin = otherwise, ByDefault
			}
			all = append(all, Shown{Name: f.name, Flag: f.flag(), Value: disguise(f.tag.Get("secret"), text), Source: origin})
		}
	}
	return all
}

// ShowNodes lists how the nodes are reached: addresses and paths, never what the files hold.
func (s Settings) ShowNodes(nodes []string) []Shown {
	var all []Shown
	for _, node := range nodes {
		for _, name := range nodeSettings(node) {
			text, origin, _ := s.find(name)
			all = append(all, Shown{Name: name, Value: text, Source: origin})
		}
	}
	return all
}

func disguise(how, text string) string {
	switch {
	case text == "" || how == "":
		return text
	case how == "within":
		return withoutSecrets(text)
	default:
		return hidden
	}
}

// withoutSecrets hides the password of a URL, and what its query calls a secret. What is no URL is hidden as a whole.
func withoutSecrets(text string) string {
	at, err := url.Parse(text)
	if err != nil || at.Scheme == "" || at.Host == "" && at.User == nil && at.RawQuery == "" {
		return hidden
	}
	query := at.Query()
	for name := range query {
		for _, word := range []string{"pass", "secret", "token", "key"} {
			if strings.Contains(strings.ToLower(name), word) {
				query.Set(name, "xxxxx")
			}
		}
	}
	if at.RawQuery != "" {
		at.RawQuery = query.Encode()
	}
	return at.Redacted()
}

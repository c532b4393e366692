package settings

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/holdfast-pay/holdfast/payment"
)

// DefaultEnvFile is what a network of `holdfast dev` writes.
const DefaultEnvFile = ".devnet/env"

// ReadEnvFile reads KEY=VALUE lines. An empty path means DefaultEnvFile, which may be missing; a file that was asked for
// may not. Errors: ReasonInvalidInput.
func ReadEnvFile(path string) (map[string]string, error) {
	asked := path != ""
	if !asked {
		path = DefaultEnvFile
	}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return nil, nil
	case err != nil:
		return nil, payment.Errorf(payment.ReasonInvalidInput, "The env file %s cannot be read. Give another --env-file.", path).Because(err)
	}
	return ParseEnv(path, string(text))
}

// ParseEnv reads the lines of a file that a shell can source: blank lines, # comments, an optional "export", and values
// bare or in single or double quotes; a single quote within is written as in a shell: the quotes end, it follows with a
// backslash, and they begin again. There is no expansion. name is for messages.
func ParseEnv(name, text string) (map[string]string, error) {
	values := map[string]string{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		line = strings.TrimPrefix(line, "export ")
		key, value, found := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		value, quoted := unquote(strings.TrimSpace(value))
		if !found || !validKey(key) || !quoted {
			return nil, payment.Errorf(payment.ReasonInvalidInput, "Line %d of %s is not KEY=VALUE. Correct it, or give another --env-file.", i+1, name)
		}
		values[key] = value
	}
	return values, nil
}

// unquote takes matching quotes off; false when they do not match.
func unquote(value string) (string, bool) {
	if value == "" || value[0] != '"' && value[0] != '\'' {
		return value, true
	}
	if len(value) < 2 || value[len(value)-1] != value[0] {
		return "", false
	}
	return strings.ReplaceAll(value[1:len(value)-1], `'\''`, "'"), true
}

func validKey(key string) bool {
	for i, c := range []byte(key) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return key != ""
}

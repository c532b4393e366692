package ledger_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// migrationTexts is what the migrations say beside what Postgres keeps: comments, and which of them said a thing last.
type migrationTexts struct {
	about    map[string]said    // by "TABLE name", "VIEW name", "FUNCTION name"
	columns  map[string]string  // the comments behind columns, by "table.column"
	renamed  map[string]renamed // functions put aside, by their present name
	replaced []replacedFunction
}

type said struct{ file, comment string }

type renamed struct{ name, file string }

// replacedFunction is a text that no longer runs.
type replacedFunction struct{ name, file, comment, by string }

var (
	makes       = regexp.MustCompile(`^CREATE (?:OR REPLACE )?(TABLE|VIEW|FUNCTION) (\w+)`)
	alters      = regexp.MustCompile(`^ALTER TABLE (\w+)`)
	renames     = regexp.MustCompile(`^ALTER FUNCTION (\w+)\(.*\) RENAME TO (\w+);`)
	withComment = regexp.MustCompile(`^\s+(?:ADD COLUMN |ALTER TABLE \w+ ADD COLUMN )?(\w+) .*?[,(]?\s+-- (.*)$`)
)

// readMigrations reads the ways up, in their order.
func readMigrations(t *testing.T) migrationTexts {
	t.Helper()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	m := migrationTexts{about: map[string]said{}, columns: map[string]string{}, renamed: map[string]renamed{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		up, _, _ := strings.Cut(string(text), "-- +goose Down")
		_, up, _ = strings.Cut(up, "-- +goose Up")
		m.read(filepath.Base(file), up)
	}
	return m
}

func (m *migrationTexts) read(file, up string) {
	var comment, table string // what stands before, and the table that is being made or altered
	for line := range strings.Lines(up) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "-- +goose"):
			continue
		case strings.HasPrefix(line, "--"):
			comment += line + "\n"
			continue
		}
		if made := makes.FindStringSubmatch(line); made != nil {
			m.makes(made[1], made[2], said{file, comment})
			if made[1] == "TABLE" {
				table = made[2]
			}
		} else if altered := alters.FindStringSubmatch(line); altered != nil {
			table = altered[1]
		} else if r := renames.FindStringSubmatch(line); r != nil {
			m.renamed[r[2]] = renamed{r[1], file}
		}
		if column := withComment.FindStringSubmatch(line); column != nil && table != "" {
			m.columns[table+"."+column[1]] = column[2]
		}
		if strings.HasSuffix(line, ";") {
			table = ""
		}
		comment = ""
	}
}

func (m *migrationTexts) makes(kind, name string, now said) {
	if was, known := m.about[kind+" "+name]; known && kind == "FUNCTION" {
		m.replaced = append(m.replaced, replacedFunction{name, was.file, was.comment, now.file})
	}
	m.about[kind+" "+name] = now
}

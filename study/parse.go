package study

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.yaml.in/yaml/v3"
)

// KeyError says what is wrong with one key of a configuration.
type KeyError struct {
	// Source is the file or the environment variable, with the line where it has one: "study.yaml:12".
	Source string
	// Key is the key's path, e.g. "hyper.long.epochs".
	Key string
	Msg string
}

func (e *KeyError) Error() string {
	if e.Source == "" {
		return fmt.Sprintf("%s: %s", e.Key, e.Msg)
	}
	return fmt.Sprintf("%s: %s: %s", e.Source, e.Key, e.Msg)
}

func keyError(key, format string, args ...any) error {
	return &KeyError{Key: key, Msg: fmt.Sprintf(format, args...)}
}

// Load reads a configuration file and checks it. environ, in the form of os.Environ, overrides it: LSAT_ and the key's path in
// capitals, with "_" for ".", holds the key's value as YAML (LSAT_SEEDS="[1, 2]", LSAT_HYPER_LONG_EPOCHS=3). sets, each of the form
// key.path=value, override both. A value that is a map replaces the whole map. An unknown key, a value of the wrong type or out of range is a KeyError that names it.
func Load(path string, environ, sets []string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("study configuration: %w", err)
	}
	return parse(path, b, environ, sets)
}

func parse(name string, b []byte, environ, sets []string) (Config, error) {
	var c Config
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return c, fmt.Errorf("%s: %s", name, strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", " "), "yaml: "))
	}
	r := reader{source: func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", name, n.Line) }, where: map[string]string{}}
	tree := map[string]any{}
	if len(doc.Content) > 0 {
		v, err := r.value(doc.Content[0], reflect.TypeFor[Config](), "")
		if err != nil {
			return c, err
		}
		tree = v.(map[string]any)
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(tree, ""), nil); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	over := map[string]any{}
	if err := fromEnviron(environ, over, r.where); err != nil {
		return c, err
	}
	if err := fromSets(sets, over, r.where); err != nil {
		return c, err
	}
	for key, v := range over {
		if _, whole := v.(map[string]any); whole { // a map that is given as a value takes the place of the file's: limits={} lifts them
			k.Delete(key)
		}
	}
	if err := k.Load(confmap.Provider(over, "."), nil); err != nil {
		return c, fmt.Errorf("%s: environment: %w", name, err)
	}
	if err := k.Unmarshal("", &c); err != nil {
		return c, fmt.Errorf("%s: %w", name, err)
	}
	c = c.withDefaults()
	if err := c.check(); err != nil {
		var ke *KeyError
		if errors.As(err, &ke) && ke.Source == "" {
			ke.Source = nearestSource(r.where, ke.Key, name)
		}
		return c, err
	}
	return c, nil
}

// nearestSource is where the key, or the nearest one above it, was given.
func nearestSource(where map[string]string, key, name string) string {
	for key != "" {
		if s, ok := where[key]; ok {
			return s
		}
		i := strings.LastIndexByte(key, '.')
		key = key[:max(i, 0)]
	}
	return name
}

// reader turns YAML nodes into plain values of the types that the configuration wants, so that koanf has nothing to guess.
type reader struct {
	source func(*yaml.Node) string
	where  map[string]string
}

func (r reader) fail(n *yaml.Node, key, format string, args ...any) error {
	return &KeyError{Source: r.source(n), Key: or(key, "the file"), Msg: fmt.Sprintf(format, args...)}
}

func (r reader) value(n *yaml.Node, t reflect.Type, key string) (any, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	r.where[key] = r.source(n)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return r.mapping(n, t, key)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return nil, r.fail(n, key, "want a list like [%s]", example(t.Elem()))
		}
		out := []any{}
		for _, e := range n.Content {
			v, err := r.value(e, t.Elem(), key)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	}
	if n.Kind != yaml.ScalarNode {
		return nil, r.fail(n, key, "want %s", kindName(t))
	}
	if n.Tag == "!!null" {
		return nil, r.fail(n, key, "has no value: want %s, or leave the key out for its default", kindName(t))
	}
	var err error
	var v any
	switch t.Kind() {
	case reflect.String:
		return n.Value, nil
	case reflect.Bool:
		var b bool
		err = n.Decode(&b)
		v = b
	case reflect.Int, reflect.Int64:
		var i int
		err = n.Decode(&i)
		if n.Tag != "!!int" {
			err = errors.New("not an integer")
		}
		v = i
	case reflect.Uint64:
		var u uint64
		err = n.Decode(&u)
		if n.Tag != "!!int" {
			err = errors.New("not an integer")
		}
		v = u
	case reflect.Float64:
		var f float64
		err = n.Decode(&f)
		v = f
	default:
		err = fmt.Errorf("type %v is not supported", t)
	}
	if err != nil {
		return nil, r.fail(n, key, "%q is not %s", n.Value, kindName(t))
	}
	return v, nil
}

func (r reader) mapping(n *yaml.Node, t reflect.Type, key string) (any, error) {
	if n.Kind != yaml.MappingNode {
		return nil, r.fail(n, key, "want keys and values")
	}
	out := map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		kn, vn := n.Content[i], n.Content[i+1]
		path := join(key, kn.Value)
		var ft reflect.Type
		if t.Kind() == reflect.Map {
			ft = t.Elem()
		} else {
			fields := keysOf(t)
			var ok bool
			if ft, ok = fields[kn.Value]; !ok {
				return nil, r.fail(kn, path, "%s", unknownKey(kn.Value, fields))
			}
		}
		if _, twice := out[kn.Value]; twice {
			return nil, r.fail(kn, path, "is given twice")
		}
		v, err := r.value(vn, ft, path)
		if err != nil {
			return nil, err
		}
		out[kn.Value] = v
		r.where[path] = r.source(kn)
	}
	return out, nil
}

func unknownKey(key string, fields map[string]reflect.Type) string {
	names := sortedKeys(fields)
	if near := nearest(key, names); near != "" {
		return fmt.Sprintf("unknown key: did you mean %q?", near)
	}
	return "unknown key: there are " + strings.Join(names, ", ")
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// keysOf gives the type of every key of a struct.
func keysOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for f := range t.NumField() {
		if k := t.Field(f).Tag.Get("koanf"); k != "" {
			out[k] = t.Field(f).Type
		}
	}
	return out
}

// leaves gives the type of every key path below t that holds a value and not further keys.
func leaves(t reflect.Type, path string, out map[string]reflect.Type) map[string]reflect.Type {
	for k, ft := range keysOf(t) {
		if ft.Kind() == reflect.Struct {
			leaves(ft, join(path, k), out)
			continue
		}
		out[join(path, k)] = ft
	}
	return out
}

// fromEnviron reads the LSAT_ variables. Variables that resemble no key belong to somebody else and are left alone.
func fromEnviron(environ []string, into map[string]any, where map[string]string) error {
	keys := leaves(reflect.TypeFor[Config](), "", map[string]reflect.Type{})
	byEnv := map[string]string{}
	for k := range keys {
		byEnv["LSAT_"+strings.ToUpper(strings.ReplaceAll(k, ".", "_"))] = k
	}
	names := sortedKeys(byEnv)
	for _, kv := range environ {
		env, text, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(env, "LSAT_") {
			continue
		}
		key, ok := byEnv[env]
		if !ok {
			if near := nearest(env, names); near != "" && distance(env, near) <= 2 {
				return &KeyError{Source: "environment", Key: env, Msg: fmt.Sprintf("unknown variable: did you mean %q?", near)}
			}
			continue
		}
		if err := override("environment, "+env, key, text, keys[key], into, where); err != nil {
			return err
		}
	}
	return nil
}

// fromSets reads key=value pairs.
func fromSets(sets []string, into map[string]any, where map[string]string) error {
	keys := leaves(reflect.TypeFor[Config](), "", map[string]reflect.Type{})
	for _, set := range sets {
		key, text, ok := strings.Cut(set, "=")
		if !ok {
			return &KeyError{Source: "--set", Key: set, Msg: "want key=value"}
		}
		t, ok := keys[key]
		if !ok {
			return &KeyError{Source: "--set", Key: key, Msg: unknownKey(key, keys)}
		}
		if err := override("--set", key, text, t, into, where); err != nil {
			return err
		}
	}
	return nil
}

// override reads one value given outside the file.
func override(source, key, text string, t reflect.Type, into map[string]any, where map[string]string) error {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return &KeyError{Source: source, Key: key, Msg: fmt.Sprintf("%q is not a value", text)}
	}
	r := reader{source: func(*yaml.Node) string { return source }, where: where}
	v, err := r.value(doc.Content[0], t, key)
	if err != nil {
		return err
	}
	into[key] = v
	return nil
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Float64:
		return "a number"
	case reflect.Uint64:
		return "a whole number of 0 or more"
	}
	return "a whole number"
}

func example(t reflect.Type) string {
	if t.Kind() == reflect.String {
		return "a, b"
	}
	return "1, 2"
}

// nearest returns the name that is most like the key, or "" where none is.
func nearest(key string, names []string) string {
	best, least := "", max(2, len(key)/3)+1
	for _, n := range names {
		if d := distance(key, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete, replace or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

// parseTime reads a date, an RFC 3339 time or Unix seconds. An empty text is 0.
func parseTime(key, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	for _, layout := range []string{"2006-01-02", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Unix(), nil
		}
	}
	return 0, keyError(key, "%q is not a date (2014-03-01), a time (RFC 3339) or Unix seconds", text)
}

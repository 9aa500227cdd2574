package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"lsat/dataset"
)

func init() { commands = append(commands, newGenerateCommand) }

func newGenerateCommand() *cobra.Command {
	o := dataset.LikeMovieLens25M(1_000_000, 1)
	cmd := &cobra.Command{
		Use:   "generate DIR",
		Short: "Write synthetic ratings of any number in MovieLens' layout",
		Long: "Writes DIR/ratings.csv and DIR/movies.csv in the layout and the shape of MovieLens 25M: as many users and items for the ratings, over the\n" +
			"same 25 years, a few users very active and a few items very popular. Tastes are planted, so there is something to learn. The same numbers\n" +
			"and the same seed give the same bytes. Little memory is needed, whatever the number.",
		Example: "  lsat generate data/synthetic --interactions 25000095 --seed 7\n  lsat prepare study.yaml --set data.path=data/synthetic",
		Args:    cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.IntVar(&o.Interactions, "interactions", o.Interactions, "number of ratings")
	f.IntVar(&o.Users, "users", 0, "number of users (default: as MovieLens 25M has for so many ratings)")
	f.IntVar(&o.Items, "items", 0, "number of items (default: as MovieLens 25M has for so many ratings)")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "decides everything")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.Interactions < 1 || o.Users < 0 || o.Items < 0 {
			return usageError{errors.New("--interactions must be positive, --users and --items not negative")}
		}
		like := dataset.LikeMovieLens25M(o.Interactions, o.Seed)
		if o.Users > 0 {
			like.Users = o.Users
		}
		if o.Items > 0 {
			like.Items = o.Items
		}
		if most := like.Users * like.Items / 2; o.Interactions > most {
			return usageError{fmt.Errorf("%d users and %d items make at most %d ratings", like.Users, like.Items, most)}
		}
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		return dataset.WriteGenerated(cmd.Context(), args[0], like)
	}
	return cmd
}

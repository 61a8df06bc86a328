//! Rotation: nothing is lost and nothing comes twice, whatever it does with the files.

use std::fs;
use std::time::Duration;

use crate::support::{World, line, lines, texts};

#[test]
fn a_renamed_file_is_read_to_its_end() {
    for globs in [&["app.log"][..], &["app.log*"]] {
        let mut world = World::new(globs);
        world.append("app.log", lines("a", 0..10));
        world.seconds(1);
        // What is written before the rename, after it, and to the new file.
        world.append("app.log", lines("a", 10..20));
        world.rename("app.log", "app.log.1");
        world.append("app.log.1", lines("a", 20..30));
        world.append("app.log", lines("a", 30..40));
        world.seconds(2);
        world.append("app.log.1", lines("a", 40..50));
        world.seconds(60);
        world.append("app.log.1", lines("a", 50..60));
        world.seconds(2);
        assert_eq!(world.texts(), texts("a", 0..60), "{globs:?}");
        assert_eq!((world.streams(), world.again, world.truncations()), (2, 0, 0));
    }
}

#[test]
fn many_rotations_one_after_the_other() {
    let mut world = World::new(&["app.log*"]);
    for turn in 0..20_u32 {
        world.append("app.log", lines("a", turn * 10..turn * 10 + 10));
        if turn % 3 != 0 {
            world.seconds(1);
        }
        for number in (1..4).rev() {
            if world.path(&format!("app.log.{number}")).exists() {
                world.rename(&format!("app.log.{number}"), &format!("app.log.{}", number + 1));
            }
        }
        world.rename("app.log", "app.log.1");
        if turn % 5 == 4 {
            world.stop();
            world.start();
        }
    }
    world.seconds(2);
    assert_eq!(world.texts(), texts("a", 0..200));
    assert_eq!(world.again, 0);
}

#[test]
fn a_deleted_file_is_read_to_its_end_while_it_is_open() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..10));
    world.seconds(1);
    world.append("app.log", lines("a", 10..20) + "the last, cut o");
    world.remove("app.log");
    world.append("app.log", lines("b", 0..5));
    world.seconds(60);
    let mut expected = [texts("a", 0..20), texts("b", 0..5)].concat();
    expected.push("the last, cut o".to_owned());
    assert_eq!(world.texts(), expected);
    assert_eq!(world.files().counts().files, 1, "the deleted one is let go");
}

#[test]
fn a_file_that_was_deleted_while_nobody_read_is_told() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..10));
    world.seconds(1);
    world.settle_first(4);
    world.crash();
    world.remove("app.log");
    world.start();
    world.seconds(30);
    let size = lines("a", 0..10).len() as u64;
    assert_eq!(world.lost(), size - lines("a", 0..4).len() as u64);
}

#[test]
fn a_copy_is_not_read_again_and_holds_what_was_not_read_before_the_truncation() {
    // The copy may fit the glob, or stand beside.
    for glob in ["app.log*", "app.log"] {
        let mut world = World::new(&[glob]);
        world.append("app.log", lines("a", 0..1000));
        world.seconds(3);
        world.append("app.log", lines("a", 1000..1100));
        world.copy("app.log", "app.log.1");
        world.truncate("app.log");
        world.append("app.log", lines("a", 1100..1110));
        world.seconds(30);
        world.append("app.log", lines("a", 1110..1120));
        world.seconds(30);
        assert_eq!(world.texts(), texts("a", 0..1120), "{glob}");
        assert_eq!((world.again, world.truncations(), world.lost()), (0, 1, 0));
    }
}

#[test]
fn a_copy_that_is_seen_before_the_truncation_waits_for_it() {
    for count in [5, 1000] {
        let mut world = World::new(&["app.log*"]);
        world.append("app.log", lines("a", 0..count));
        world.seconds(3);
        world.copy("app.log", "app.log.1");
        world.seconds(5);
        // What comes between is lost only if nobody reads it between.
        world.append("app.log", lines("a", count..count + 10));
        world.seconds(1);
        world.truncate("app.log");
        world.seconds(1);
        world.append("app.log", lines("a", count + 10..count + 20));
        world.seconds(60);
        world.stop();
        world.start();
        world.append("app.log", lines("a", count + 20..count + 30));
        world.seconds(60);
        assert_eq!(world.texts(), texts("a", 0..count + 30), "{count}");
        assert_eq!(world.again, 0);
    }
}

#[test]
fn truncation_while_stopped_is_seen_and_the_copy_read() {
    for glob in ["app.log*", "app.log"] {
        let mut world = World::new(&[glob]);
        world.append("app.log", lines("a", 0..1000));
        world.seconds(3);
        world.settle_first(700);
        world.crash();
        world.append("app.log", lines("a", 1000..1100));
        world.copy("app.log", "app.log.1");
        world.truncate("app.log");
        // Longer than before: only the contents tell.
        world.append("app.log", lines("b", 0..2000));
        world.start();
        world.seconds(30);
        assert_eq!(world.texts(), [texts("a", 0..1100), texts("b", 0..2000)].concat(), "{glob}");
        assert_eq!((world.again, world.lost()), (300, 0));
    }
}

#[test]
fn a_file_written_anew_between_two_looks_is_another() {
    for count in [5, 400] {
        let mut world = World::new(&["app.log"]);
        world.append("app.log", lines("a", 0..count));
        world.seconds(2);
        world.truncate("app.log");
        world.append("app.log", lines("b", 0..3 * count));
        world.seconds(2);
        assert_eq!(world.texts(), [texts("a", 0..count), texts("b", 0..3 * count)].concat());
        assert_eq!((world.streams(), world.truncations()), (2, 1));
    }
}

#[test]
fn equal_heads_do_not_mix_files_or_generations() {
    let header = "time,level,message of a long header that all files have\n";
    let mut world = World::new(&["*.csv"]);
    for name in ["one.csv", "two.csv"] {
        world.append(name, header);
    }
    world.seconds(2);
    // Truncated again and again, each time with the same first line.
    for day in 0..4_u32 {
        world.append("one.csv", lines("one", day * 10..day * 10 + 10));
        world.append("two.csv", lines("two", day * 10..day * 10 + 10));
        world.seconds(15);
        world.truncate("one.csv");
        world.append("one.csv", header);
        world.seconds(15);
        if day % 2 == 1 {
            world.stop();
            world.start();
        }
    }
    let found = world.texts();
    let headers = found.iter().filter(|text| text.starts_with("time,")).count();
    let rest: Vec<String> = found.into_iter().filter(|text| !text.starts_with("time,")).collect();
    assert_eq!(rest, [texts("one", 0..40), texts("two", 0..40)].concat());
    assert_eq!(headers, 2 + 4);
}

#[test]
fn an_inode_that_is_given_again_brings_no_stale_position() {
    let mut world = World::new(&["*.log"]);
    world.append("old.log", lines("old", 0..100));
    world.seconds(1);
    world.settle();
    world.crash();
    world.append("new.log", lines("new", 0..10));
    // What the file system does when it gives the inode of a deleted file to the next one, for file systems that say when a file
    // was made, and for others.
    let (old, new) = (inode(&world, "old.log"), inode(&world, "new.log"));
    world.remove("old.log");
    let text = fs::read_to_string(world.checkpoint()).expect("a checkpoint");
    let body = text.split_once('\n').expect("two lines").1;
    let mut value: serde_json::Value = serde_json::from_str(body).expect("JSON");
    let file = &mut value["streams"][0]["file"];
    assert_eq!(file["inode"], old);
    file["inode"] = new.into();
    for (born, number) in [(file["born"].clone(), 10), (serde_json::Value::Null, 20)] {
        value["streams"][0]["file"]["born"] = born;
        let body = value.to_string();
        let checksum = crc32c::crc32c(body.as_bytes());
        let text = format!("lakewright-tail-1 {checksum:08x} {}\n{body}", body.len());
        fs::write(world.checkpoint(), text).expect("write");
        world.start();
        world.append("new.log", lines("new", number..number + 10));
        world.seconds(15);
        world.crash();
    }
    assert_eq!(world.texts(), [texts("new", 0..30), texts("old", 0..100)].concat());
}

fn inode(world: &World, name: &str) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(world.path(name)).expect("a file").ino()
}

#[test]
fn a_file_that_was_packed_while_nobody_read_is_read_on() {
    // Beside the glob, and in it.
    for glob in ["app.log", "app.log*"] {
        let mut world = World::new(&[glob]);
        world.append("app.log", lines("a", 0..5000));
        world.seconds(1);
        world.settle_first(3000);
        world.crash();
        world.append("app.log", lines("a", 5000..6000));
        world.rename("app.log", "app.log.1");
        world.pack("app.log.1");
        world.append("app.log", lines("a", 6000..6010));
        world.start();
        world.seconds(40);
        world.settle();
        assert_eq!(world.texts(), texts("a", 0..6010), "{glob}");
        assert_eq!((world.streams(), world.again, world.lost()), (2, 2000, 0));
        // It was read to its end: the next start doesn't read it again.
        world.crash();
        world.start();
        world.seconds(40);
        assert_eq!(world.again, 2000);
    }
}

#[test]
fn packing_while_it_is_read_brings_nothing_twice() {
    let mut world = World::new(&["app.log*"]);
    for turn in 0..6_u32 {
        world.append("app.log", lines("a", turn * 500..turn * 500 + 500));
        world.seconds(2);
        for number in (1..6).rev() {
            let from = format!("app.log.{number}.gz");
            if world.path(&from).exists() {
                world.rename(&from, &format!("app.log.{}.gz", number + 1));
            }
        }
        world.rename("app.log", "app.log.1");
        world.append("app.log.1", lines("late", turn..turn + 1));
        world.seconds(if turn % 2 == 0 { 0 } else { 3 });
        world.pack("app.log.1");
        world.seconds(3);
        if turn == 3 {
            world.stop();
            world.start();
        }
    }
    world.seconds(60);
    assert_eq!(world.texts(), [texts("a", 0..3000), texts("late", 0..6)].concat());
    assert_eq!(world.again, 0);
}

#[test]
fn packed_files_that_nobody_knows_are_read_whole() {
    let mut world = World::new(&["*.gz"]);
    world.append("old.log", lines("a", 0..20_000) + "no line break");
    world.pack("old.log");
    world.seconds(60);
    let mut expected = texts("a", 0..20_000);
    expected.push("no line break".to_owned());
    assert_eq!(world.texts(), expected);
}

#[test]
fn a_rotation_while_stopped_loses_nothing() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..10) + "a line nu");
    world.seconds(1);
    world.stop();
    world.append("app.log", "mber 000010\n");
    world.rename("app.log", "app-20260301.log");
    world.append("app-20260301.log", lines("a", 11..20));
    world.append("app.log", lines("a", 20..30));
    world.start();
    world.seconds(5);
    assert_eq!(world.texts(), texts("a", 0..30));
    assert_eq!((world.again, world.lost()), (0, 0));
}

#[test]
fn the_last_line_of_a_rotated_file_ends_without_a_line_break() {
    let mut world = World::new(&["app.log*"]);
    world.append("app.log", lines("a", 0..3) + "half");
    world.seconds(60);
    assert_eq!(world.texts(), texts("a", 0..3), "a file that is written to waits");
    world.rename("app.log", "app.log.1");
    world.seconds(20);
    assert_eq!(world.texts().len(), 3);
    world.seconds(20);
    assert_eq!(world.texts().last().map(String::as_str), Some("half"));
    // Its writer goes on after all.
    world.append("app.log.1", " and the rest\n");
    world.seconds(2);
    let mut expected = texts("a", 0..3);
    expected.splice(0..0, [" and the rest".to_owned()]);
    expected.push("half".to_owned());
    assert_eq!(world.texts(), expected);
}

#[test]
fn a_copy_that_somebody_made_is_a_file_of_its_own() {
    let mut world = World::new(&["*.log"]);
    world.append("app.log", lines("a", 0..10));
    world.seconds(1);
    world.copy("app.log", "copy.log");
    world.seconds(5);
    assert_eq!(world.texts().len(), 10);
    world.seconds(10);
    world.append("app.log", lines("a", 10..11));
    world.append("copy.log", lines("c", 0..1));
    world.seconds(1);
    let mut expected = [texts("a", 0..10), texts("a", 0..11), texts("c", 0..1)].concat();
    expected.sort();
    assert_eq!(world.texts(), expected);
}

#[test]
fn a_file_that_is_replaced_by_one_that_goes_on_is_read_on() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", lines("a", 0..500));
    world.seconds(1);
    // As rsync does: another file with the same beginning takes the name.
    world.copy("app.log", ".app.log.x");
    world.append(".app.log.x", lines("a", 500..600));
    world.rename(".app.log.x", "app.log");
    world.seconds(60);
    assert_eq!(world.texts(), texts("a", 0..600));
    assert_eq!(world.again, 0);
}

#[test]
fn readings_between_each_step_of_a_rotation_change_nothing() {
    for wait in [Duration::from_millis(100), Duration::from_millis(300), Duration::from_secs(2)] {
        let mut world = World::new(&["app.log*"]);
        let steps: [&dyn Fn(&World); 6] = [
            &|world| world.append("app.log", lines("a", 0..300)),
            &|world| world.copy("app.log", "app.log.1"),
            &|world| world.truncate("app.log"),
            &|world| world.append("app.log", lines("b", 0..10)),
            &|world| world.pack("app.log.1"),
            &|world| world.append("app.log", lines("b", 10..20)),
        ];
        for step in steps {
            step(&world);
            world.pass(wait);
        }
        world.seconds(60);
        assert_eq!(world.texts(), [texts("a", 0..300), texts("b", 0..20)].concat(), "{wait:?}");
        assert_eq!(world.texts().iter().filter(|text| **text == line("a", 0)).count(), 1);
    }
}

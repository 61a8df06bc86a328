//! What isn't the protocol closes the connection that it came on and no other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::clients;
use crate::support::{Broker, unique};

#[test]
fn malformed_frames_close_their_connection_only() {
    let broker = Broker::start();
    let address = broker.address();
    let topic = unique("calm");
    clients::create(address, &topic, 1, &[]).unwrap();
    let producer = clients::producer(address);
    clients::send(&producer, &topic, 0, "before", None);
    // A metadata request for two thousand million topics; one for a version that nobody has; a produce request
    // that ends early; no request at all; a frame of 2 GB.
    let many = [&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff][..], &i32::MAX.to_be_bytes()].concat();
    let version = vec![0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff];
    let short = vec![0, 0, 0, 7, 0, 0, 0, 1, 0xff, 0xff, 0xff];
    for (frame, claimed) in
        [(many, None), (version, None), (short, None), (vec![9; 3], None), (vec![0; 8], Some(i32::MAX))]
    {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(&claimed.unwrap_or(frame.len() as i32).to_be_bytes()).unwrap();
        stream.write_all(&frame).unwrap();
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => assert!(answer.is_empty(), "{frame:?} was answered: {answer:?}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{frame:?}"),
        }
    }
    clients::send(&producer, &topic, 0, "after", None);
    assert_eq!(clients::read_all(address, &topic)[&0].len(), 2);
}
